"""States of the host's page cache, by name. What a request costs depends on how its file came into the
cache, by a factor of twelve on ext4: each row names its state, and fills the cache alike for all sides.

    cold    synced, and not in the cache
    small   cold, then read through a descriptor that was told that access is random: pages of 4 KiB
    large   cold, then read by 1 MiB with the host's read-ahead: folios of up to 2 MiB
"""

import os

MIB = 1 << 20


def _open_cold(path):
    # Opened for reading alone: an image that a server has locked can be dropped too.
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return descriptor


def _read_data(descriptor):
    """Reads the data of the file; holes are skipped."""
    end = os.fstat(descriptor).st_size
    at = 0
    while at < end:
        try:
            at = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:  # only a hole follows
            return
        hole = os.lseek(descriptor, at, os.SEEK_HOLE)
        while at < hole:
            got = len(os.pread(descriptor, min(MIB, hole - at), at))
            if got == 0:
                return
            at += got


def make_cold(*paths):
    for path in paths:
        os.close(_open_cold(path))


def make_small(*paths):
    for path in paths:
        descriptor = _open_cold(path)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        _read_data(descriptor)
        os.close(descriptor)


def make_large(*paths):
    for path in paths:
        # Not through the same descriptor: advice belongs to it.
        os.close(_open_cold(path))
        descriptor = os.open(path, os.O_RDONLY)
        _read_data(descriptor)
        os.close(descriptor)
