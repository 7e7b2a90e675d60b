#!/usr/bin/python3
"""What libvhdi reads of a disk: libvhdi_read.py RAW IMAGE [PARENT]... writes it into the file RAW. The
module pyvhdi (package python3-libvhdi) needs neither root nor FUSE, which `vhdimount` does."""

import sys

try:
    import pyvhdi
except ImportError:
    sys.exit("libvhdi_read.py: needs the Python module pyvhdi (package python3-libvhdi)")

PIECE = 1 << 20


def open_chain(paths):
    """The images, each with the next one as its parent. All of them must live as long as the first."""
    images = []
    for path in paths:
        image = pyvhdi.file()
        image.open(path)
        images.append(image)
    for child, parent in zip(reversed(images[:-1]), reversed(images[1:])):
        child.set_parent(parent)
    return images


def main():
    raw, *paths = sys.argv[1:]
    images = open_chain(paths)
    size = images[0].get_media_size()
    with open(raw, "wb") as out:
        for offset in range(0, size, PIECE):
            out.write(images[0].read_buffer_at_offset(min(PIECE, size - offset), offset))


if __name__ == "__main__":
    main()
