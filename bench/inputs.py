"""The images and raw files that the rows work on: made once, synced, compared, kept in the work
folder."""

import subprocess
from pathlib import Path

from protocol import Failed, sync_file_system

MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40


def call(argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Programs:
    """The built programs that are measured, and their peers."""

    def __init__(self, release_dir):
        self.vhdx = Path(release_dir) / "bin" / "vhdx"
        self.make_sample = Path(release_dir) / "testing" / "make_sample"
        self.request = Path(release_dir) / "bench" / "request_bench"
        self.plugin = Path(release_dir) / "bin" / "nbdkit-vhdx-plugin.so"
        self.timer = Path(release_dir) / "bench" / "command_bench"
        self.bat = Path(release_dir) / "bench" / "bat_bench"

    def missing(self):
        programs = (self.vhdx, self.make_sample, self.request, self.timer, self.plugin,
                    self.bat)
        return [path for path in programs if not path.exists()]


class Inputs:
    """Makes inputs in a folder; what is there already is taken as it is."""

    def __init__(self, folder, programs, say):
        self.folder = Path(folder)
        self._programs = programs
        self._say = say

    def in_folder(self, folder):
        return Inputs(folder, self._programs, self._say)

    def image(self, name, size, block_size, data_percent):
        """A dynamic VHDX of that shape."""
        path = self.folder / f"{name}.vhdx"
        if not path.exists():
            self._say(f"making {path.name}")
            call([self._programs.make_sample, "--size", size, "--block-size", block_size,
                  "--data-percent", data_percent, path])
            sync_file_system(self.folder)
        return path

    def full_table(self, size_tib):
        """A VHDX in blocks of 1 MiB, all present, of which only the block table is stored."""
        path = self.folder / f"full-table-{size_tib}t.vhdx"
        if not path.exists():
            self._say(f"making {path.name}")
            call([self._programs.bat, "make", path, size_tib])
            sync_file_system(self.folder)
        return path

    def raw_twin(self, image):
        """The raw file with the same contents, checked against the image by qemu-img."""
        path = image.with_suffix(".raw")
        if not path.exists():
            self._say(f"making {path.name}")
            call([self._programs.vhdx, "convert", "-q", "-O", "raw", image, path])
            call(["qemu-img", "compare", "-f", "vhdx", "-F", "raw", image, path])
            sync_file_system(self.folder)
        return path

    def copies(self, *paths):
        """Copies in a folder of their own, made alike: what a file costs depends on how it was
        written, too."""
        folder = self.subfolder("copies")
        return [self.in_folder(folder).copy_of(path) for path in paths]

    def subfolder(self, name):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def copy_of(self, path):
        """An independent copy here, with holes for zeros."""
        copy = self.folder / path.name
        if not copy.exists():
            self._say(f"copying {path.name}")
            call(["cp", "--reflink=never", "--sparse=always", path, copy])
            sync_file_system(self.folder)
        return copy
