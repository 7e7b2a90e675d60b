"""The rows: each a piece of work, the sides that do it, and what is promised of the ratio.

A row is a function that takes a Bench and gives Lines; ROWS names them. To add one, write the
function and add it there; docs/performance.md says what bounds it.
"""

import shutil
from dataclasses import dataclass, replace
from typing import Optional

from inputs import GIB, MIB, TIB, call
from mounts import Skipped, loop_mount
from page_cache import make_cold, make_large, make_small
from protocol import (CommandSide, FreshRateSide, PreparedRateSide, QemuBenchSide, RateSide, TrimSide,
                      alternate)
from servers import FioSide, served

# Loop-mounted file systems: 4 GiB of data as VHDX, as raw, and as one target, with room to spare.
REFLINK_VOLUME = 24 * GIB
# For random requests. From 1 GiB on a file's tree of cached pages is one level deeper, and the image
# is a little longer than the raw file.
RANDOM_SIZE = GIB - 64 * MIB
MAX_INFO_RSS = 16 * MIB
# Of the rate at which the block table can be read: twice its time, and one and a half times.
CHECK_AT_LEAST = 0.5
OPEN_AT_LEAST = 0.67
# Larger files than ext4 takes are on a loop-mounted XFS.
EXT4_TIB = 15
TABLE_VOLUME = 2 * GIB


@dataclass
class Line:
    """One line of the table: a ratio of ours to one peer, or one absolute figure."""

    row: str
    what: str
    cache: str = ""
    ours: Optional[float] = None
    theirs: Optional[float] = None
    unit: str = ""
    ratio: Optional[float] = None
    swayed: Optional[float] = None
    goal: str = ""
    met: Optional[bool] = None
    skipped: str = ""
    samples_ours: tuple = ()
    samples_theirs: tuple = ()


@dataclass
class Bench:
    """What a row works with."""

    inputs: object
    programs: object
    protocol: object
    say: object

    def measure(self, sides, folder):
        return alternate(sides, folder, self.protocol, self.say)

    def command(self, name, argv, target=None):
        return CommandSide(name, self.programs.timer, argv, target)

    def create(self, image, size, block_size):
        """A new dynamic VHDX, as a user makes one."""
        call([self.programs.vhdx, "create", "-q", "--block-size", block_size, image, size])

    def convert(self, source, target):
        return self.command("vhdx",
                            [self.programs.vhdx, "convert", "-q", "-O", "raw", source, target],
                            target)

    def qemu_convert(self, source, target):
        return self.command("qemu-img convert",
                            ["qemu-img", "convert", "-f", "vhdx", "-O", "raw", source, target],
                            target)

    def copy(self, how, source, target):
        return self.command(f"cp {how}", ["cp", how, source, target], target)


def faster(row, ours, theirs, at_least):
    """A line that promises to be `at_least` times as fast as a peer."""
    ratio = ours.times_better_than(theirs)
    return Line(row, f"against {theirs.name}", "", ours.median, theirs.median, ours.unit, ratio,
                ours.against_itself(), f">= {at_least:g} x", ratio >= at_least,
                samples_ours=tuple(s.value for s in ours.samples),
                samples_theirs=tuple(s.value for s in theirs.samples))


def less_cpu(row, ours, theirs, at_most):
    ratio = ours.cpu_median / theirs.cpu_median
    return Line(row, f"CPU against {theirs.name}", "", ours.cpu_median, theirs.cpu_median, "CPU s", ratio,
                None, f"<= {at_most:g} x", ratio <= at_most,
                samples_ours=tuple(s.cpu_seconds for s in ours.samples),
                samples_theirs=tuple(s.cpu_seconds for s in theirs.samples))


def less_memory(row, ours, theirs, at_most_bytes):
    return Line(row, "peak memory", "", ours.peak_rss_bytes / MIB, theirs.peak_rss_bytes / MIB, "MiB",
                ours.peak_rss_bytes / theirs.peak_rss_bytes, None, f"< {at_most_bytes // MIB} MiB",
                ours.peak_rss_bytes < at_most_bytes)


def random_requests(threads, write):
    """4 KiB at random offsets against the same on a raw file, everything allocated and cached."""

    def row(bench):
        key = f"random-{'write' if write else 'read'}-{threads}"
        image = bench.inputs.image("full", RANDOM_SIZE, 2 * MIB, 100)
        image, raw = bench.inputs.copies(image, bench.inputs.raw_twin(image))
        (make_small if write else make_large)(image, raw)
        # What the program calls a second is one round: 0.4 s, beginning and end aside.
        options = ["--threads", threads, "--seconds", bench.protocol.seconds + 0.1]
        options += ["--write"] if write else []
        peer = "pwrite" if write else "pread"
        ours, theirs = bench.measure(
            [RateSide("vhdx", [bench.programs.request, "vhdx", image, *options]),
             RateSide(peer, [bench.programs.request, "raw", raw, *options])],
            bench.inputs.folder)
        return [faster(key, ours, theirs, 0.9 if write else 0.95)]

    return row


def converted_writes(threads):
    """4 KiB overwrites of a disk that vhdx convert has just made, against a raw file that was just
    written."""

    def row(bench):
        key = f"random-write-{threads}-converted"
        raw = bench.inputs.raw_twin(bench.inputs.image("full", RANDOM_SIZE, 2 * MIB, 100))
        folder = bench.inputs.subfolder("written")
        image, large, small = (folder / name for name in ("new.vhdx", "2m.raw", "128k.raw"))
        options = ["--seconds", bench.protocol.seconds + 0.1, "--write"]
        call([bench.programs.vhdx, "convert", "-q", "--force", "-f", "raw", "-O", "vhdx",
              "--block-size", "2M", raw, image])
        for target, piece in ((large, "2M"), (small, "128K")):
            call(["dd", f"if={raw}", f"of={target}", f"bs={piece}", "status=none"])
        call(["sync", "-f", folder])
        ours, in_large, in_small = bench.measure(
            [RateSide("vhdx", [bench.programs.request, "vhdx", image, "--threads", threads, *options]),
             RateSide("pwrite, raw file written by 2 MiB",
                      [bench.programs.request, "raw", large, *options]),
             RateSide("pwrite, raw file written by 128 KiB",
                      [bench.programs.request, "raw", small, *options])],
            bench.inputs.folder)
        shutil.rmtree(folder)
        return [faster(key, ours, in_large, 4), faster(key, ours, in_small, 0.9)]

    return row


def trim(bench):
    """A trim of 20 GiB in contiguous blocks of 2 MiB, all allocated, and one fallocate of a raw file."""
    key = "trim-20g"
    size = 20 * GIB
    folder = bench.inputs.folder
    if shutil.disk_usage(folder).free < 2 * size + GIB:
        raise Skipped("needs 41 GB of free space")
    image, raw = folder / "trim.vhdx", folder / "trim.raw"

    def allocate(mode, path):
        """4 KiB into each 2 MiB, and the rest of the file by fallocate."""
        call([bench.programs.request, mode, path, "--write", "--count", size // (2 * MIB), "--step",
              2 * MIB])
        call(["fallocate", "--length", path.stat().st_size, path])

    def make_image():
        bench.create(image, size, 2 * MIB)
        allocate("vhdx", image)

    def make_raw():
        make_sparse(raw, size)
        allocate("raw", raw)

    ours, theirs = bench.measure(
        [TrimSide("vhdx", [bench.programs.request, "vhdx", image, "--trim"], image, make_image),
         FreshRateSide("fallocate, raw", [bench.programs.request, "raw", raw, "--trim"], raw, make_raw)],
        folder)
    return [faster(key, ours, theirs, 1 / 1.2)]


def new_blocks(flush_each):
    """4 KiB writes, each into a new block of 2 MiB, against a sparse raw file and qemu-img."""

    def row(bench):
        key = "new-blocks-flush-each" if flush_each else "new-blocks"
        count, depth = (1000, 1) if flush_each else (10000, 16)
        at_least, at_least_qemu = (0.75, 4) if flush_each else (0.7, 30)
        folder = bench.inputs.folder
        image, raw, qemu_image = (folder / name for name in ("new.vhdx", "new.raw", "qemu.vhdx"))
        options = ["--write", "--threads", depth, "--count", count, "--step", 2 * MIB]
        options += ["--flush-each"] if flush_each else []
        # qemu-img is so much slower that fewer requests say the same.
        few = 500
        qemu = ["qemu-img", "bench", "-w", "-f", "vhdx", "-c", few, "-d", depth, "-s", 4096,
                "-S", 2 * MIB, f"--flush-interval={1 if flush_each else few}", qemu_image]
        ours, theirs, qemus = bench.measure(
            [FreshRateSide("vhdx", [bench.programs.request, "vhdx", image, *options], image,
                           lambda: bench.create(image, 32 * GIB, 2 * MIB)),
             FreshRateSide("raw", [bench.programs.request, "raw", raw, *options], raw,
                           lambda: make_sparse(raw, 32 * GIB)),
             QemuBenchSide("qemu-img bench", qemu, few, qemu_image,
                           lambda: bench.create(qemu_image, 32 * GIB, 2 * MIB))],
            folder)
        return [faster(key, ours, theirs, at_least), faster(key, ours, qemus, at_least_qemu)]

    return row


def make_sparse(target, size):
    call(["truncate", "-s", size, target])


def convert_to_raw(bench):
    """VHDX to raw: 4 GiB, a quarter of it data."""
    key = "convert-4g"
    image = bench.inputs.image("quarter-4g", 4 * GIB, 2 * MIB, 25)
    raw = bench.inputs.raw_twin(image)
    make_large(image, raw)
    folder = bench.inputs.folder
    ours, copy, qemu = bench.measure(
        [bench.convert(image, folder / "ours.out"),
         bench.copy("--sparse=always", raw, folder / "cp.out"),
         bench.qemu_convert(image, folder / "qemu.out")],
        folder)
    return [faster(key, ours, copy, 1), faster(key, ours, qemu, 1), less_cpu(key, ours, qemu, 0.5)]


def convert_from_raw(bench):
    """Raw to VHDX: the same contents."""
    key = "convert-4g-to-vhdx"
    raw = bench.inputs.raw_twin(bench.inputs.image("quarter-4g", 4 * GIB, 2 * MIB, 25))
    make_large(raw)
    folder = bench.inputs.folder
    new, new_qemu = folder / "ours.out", folder / "qemu.out"
    ours, copy, qemu = bench.measure(
        [bench.command("vhdx", [bench.programs.vhdx, "convert", "-q", "-f", "raw", "-O", "vhdx",
                                "--block-size", "2M", raw, new], new),
         bench.copy("--sparse=always", raw, folder / "cp.out"),
         bench.command("qemu-img convert",
                       ["qemu-img", "convert", "-f", "raw", "-O", "vhdx", "-o",
                        f"block_size={2 * MIB}", raw, new_qemu], new_qemu)],
        folder)
    return [faster(key, ours, copy, 1), faster(key, ours, qemu, 1), less_cpu(key, ours, qemu, 0.5)]


def convert_reflink(kind):
    """VHDX to raw where the file system can share extents: 16 GiB, a quarter of it data."""

    def row(bench):
        key = f"convert-16g-{kind}"
        with loop_mount(kind, REFLINK_VOLUME, bench.inputs.folder) as folder:
            original = bench.inputs.image("quarter-16g", 16 * GIB, 2 * MIB, 25)
            twin = bench.inputs.raw_twin(original)
            here = bench.inputs.in_folder(folder)
            image, raw = here.copy_of(original), here.copy_of(twin)
            make_large(image, raw)
            ours, copy = bench.measure(
                [bench.convert(image, folder / "ours.out"),
                 bench.copy("--reflink=never", raw, folder / "cp.out")],
                folder)
            return [faster(key, ours, copy, 20)]

    return row


def convert_empty(bench):
    """An empty disk of 127 GiB to raw."""
    image = bench.inputs.image("empty-127g", 127 * GIB, 32 * MIB, 0)
    folder = bench.inputs.folder
    ours, qemu = bench.measure(
        [bench.convert(image, folder / "ours.out"),
         bench.qemu_convert(image, folder / "qemu.out")],
        folder)
    return [faster("convert-empty-127g", ours, qemu, 100)]


def info_of_huge(bench):
    """What an image of 64 TiB with blocks of 1 MiB says of itself."""
    key = "info-64t"
    image = bench.inputs.image("empty-64t", 64 * TIB, MIB, 0)
    ours, qemu = bench.measure(
        [bench.command("vhdx info", [bench.programs.vhdx, "info", image]),
         bench.command("qemu-img info", ["qemu-img", "info", image])],
        bench.inputs.folder)
    return [faster(key, ours, qemu, 20), less_memory(key, ours, qemu, MAX_INFO_RSS)]


def full_table(size_tib):
    """A check, and opening for writing, of an image whose block table is full."""

    def compare(bench, inputs):
        key = f"full-table-{size_tib}t"
        image = inputs.full_table(size_tib)
        check, opening, reading = bench.measure(
            [RateSide(name, [bench.programs.bat, what, image])
             for name, what in (("check", "check"), ("opening for writing", "open"),
                                ("pread of the table", "read"))],
            inputs.folder)
        lines = [faster(key, check, reading, CHECK_AT_LEAST),
                 faster(key, opening, reading, OPEN_AT_LEAST)]
        return [replace(line, what=f"{ours.name}, {line.what}", unit="runs/s")
                for line, ours in zip(lines, (check, opening))]

    def row(bench):
        if size_tib <= EXT4_TIB:
            return compare(bench, bench.inputs)
        with loop_mount("xfs", TABLE_VOLUME, bench.inputs.folder) as folder:
            return compare(bench, bench.inputs.in_folder(folder))

    return row


def plugin(bench, image, *options):
    """Our server, as what `served` takes."""
    return lambda socket: ["nbdkit", "-f", "-U", socket, bench.programs.plugin, f"file={image}",
                           *options]


def qemu_nbd(image):
    return lambda socket: ["qemu-nbd", "-f", "vhdx", "-t", "-e", 16, "-k", socket, image]


def file_plugin(raw, *options):
    return lambda socket: ["nbdkit", "-f", "-U", socket, "file", raw, *options]


def nbd_files(bench, name, size, data_percent):
    """An image for us, one for qemu-nbd and a raw file, with the same contents."""
    original = bench.inputs.image(name, size, 2 * MIB, data_percent)
    image, raw = bench.inputs.copies(original, bench.inputs.raw_twin(original))
    # All write, and none into what another has.
    qemu_image = bench.inputs.in_folder(bench.inputs.subfolder("for-qemu")).copy_of(original)
    return image, qemu_image, raw


def nbd_requests(write):
    """fio's random requests to allocated blocks, 16 at once, over a Unix socket."""

    def row(bench):
        key = f"nbd-random-{'write' if write else 'read'}"
        image, qemu_image, raw = nbd_files(bench, "full", RANDOM_SIZE, 100)
        (make_small if write else make_large)(image, raw, qemu_image)
        seconds = bench.protocol.seconds + 0.2
        with served(plugin(bench, image)) as ours, served(qemu_nbd(qemu_image)) as qemu, \
             served(file_plugin(raw)) as raw_file:
            ours, qemu, raw_file = bench.measure(
                [FioSide("vhdx", ours, "randwrite" if write else "randread", seconds),
                 FioSide("qemu-nbd", qemu, "randwrite" if write else "randread", seconds),
                 FioSide("nbdkit file", raw_file, "randwrite" if write else "randread", seconds)],
                bench.inputs.folder)
        at_least_qemu, at_least_file = (1, 0.95) if write else (1.1, 0.9)
        return [faster(key, ours, qemu, at_least_qemu), faster(key, ours, raw_file, at_least_file)]

    return row


def nbd_writes_after_copy(bench):
    """The same writes, after nbdcopy has read all of the disk through the server itself."""
    key = "nbd-random-write-copied"
    image, qemu_image, raw = nbd_files(bench, "full", RANDOM_SIZE, 100)
    raw_random = bench.inputs.in_folder(bench.inputs.subfolder("for-random")).copy_of(raw)
    make_cold(image, qemu_image, raw, raw_random)
    with served(plugin(bench, image)) as ours, served(qemu_nbd(qemu_image)) as qemu, \
         served(file_plugin(raw)) as raw_file, \
         served(file_plugin(raw_random, "fadvise=random")) as advised:
        names = ("vhdx", "qemu-nbd", "nbdkit file", "nbdkit file fadvise=random")
        uris = (ours, qemu, raw_file, advised)
        for uri in uris:
            call(["nbdcopy", uri, "null:"])
        ours, qemu, raw_file, advised = bench.measure(
            [FioSide(name, uri, "randwrite", bench.protocol.seconds + 0.2)
             for name, uri in zip(names, uris)],
            bench.inputs.folder)
    return [faster(key, ours, qemu, 3), faster(key, ours, raw_file, 2), faster(key, ours, advised, 0.8)]


def nbd_cold_reads(block, depth, size):
    """fio reads in sequence what is not in the cache: with our own read-ahead, and the host's."""

    def row(bench):
        key = f"nbd-cold-read-{block}"
        image, _, _ = nbd_files(bench, "full", RANDOM_SIZE, 100)
        sides = []
        with served(plugin(bench, image, "access=write", "no-lock=true")) as ours, \
             served(plugin(bench, image, "page-cache=host", "no-lock=true")) as host:
            for name, uri in (("vhdx", ours), ("the host's read-ahead", host)):
                side = FioSide(name, uri, "read", 0, [f"--bs={block}", f"--iodepth={depth}",
                                                      f"--size={size}"])
                sides.append(PreparedRateSide(side, lambda: make_cold(image)))
            ours, host = bench.measure(sides, bench.inputs.folder)
        return [faster(key, ours, host, 0.85 if block == "1m" else 1)]

    return row


def nbd_copy(bench):
    """nbdcopy reads 4 GiB, a quarter of it data, over a Unix socket."""
    key = "nbd-copy-4g"
    image, qemu_image, raw = nbd_files(bench, "quarter-4g", 4 * GIB, 25)
    make_large(image, raw, qemu_image)
    with served(plugin(bench, image)) as ours, served(qemu_nbd(qemu_image)) as qemu, \
         served(file_plugin(raw)) as raw_file:
        names = ("vhdx", "qemu-nbd", "nbdkit file")
        ours, qemu, raw_file = bench.measure(
            [bench.command(name, ["nbdcopy", uri, "null:"])
             for name, uri in zip(names, (ours, qemu, raw_file))],
            bench.inputs.folder)
    return [faster(key, ours, qemu, 1.1), faster(key, ours, raw_file, 0.9)]


ROWS = {
    "random-read-1": random_requests(1, write=False),
    "random-read-16": random_requests(16, write=False),
    "random-write-1": random_requests(1, write=True),
    "random-write-16": random_requests(16, write=True),
    "random-write-1-converted": converted_writes(1),
    "random-write-16-converted": converted_writes(16),
    "new-blocks": new_blocks(flush_each=False),
    "new-blocks-flush-each": new_blocks(flush_each=True),
    "convert-4g": convert_to_raw,
    "convert-4g-to-vhdx": convert_from_raw,
    "convert-16g-xfs": convert_reflink("xfs"),
    "convert-16g-btrfs": convert_reflink("btrfs"),
    "convert-empty-127g": convert_empty,
    "info-64t": info_of_huge,
    "full-table-8t": full_table(8),
    "full-table-64t": full_table(64),
    "nbd-random-read": nbd_requests(write=False),
    "nbd-random-write": nbd_requests(write=True),
    "nbd-random-write-copied": nbd_writes_after_copy,
    "nbd-cold-read-4k": nbd_cold_reads("4k", 16, "64m"),
    "nbd-cold-read-64k": nbd_cold_reads("64k", 16, "512m"),
    "nbd-cold-read-1m": nbd_cold_reads("1m", 16, "512m"),
    "nbd-copy-4g": nbd_copy,
    "trim-20g": trim,
}

# How the files of a row came into the host's page cache; see page_cache.py.
CACHE = {
    "random-read-1": "large",
    "random-read-16": "large",
    "random-write-1": "small",
    "random-write-16": "small",
    "random-write-1-converted": "just written",
    "random-write-16-converted": "just written",
    "new-blocks": "new files",
    "new-blocks-flush-each": "new files",
    "convert-4g": "large",
    "convert-4g-to-vhdx": "large",
    "convert-16g-xfs": "large",
    "convert-16g-btrfs": "large",
    "convert-empty-127g": "large",
    "info-64t": "as made",
    "full-table-8t": "as made",
    "full-table-64t": "as made",
    "nbd-random-read": "large",
    "nbd-random-write": "small",
    "nbd-random-write-copied": "read by the server",
    "nbd-cold-read-4k": "cold",
    "nbd-cold-read-64k": "cold",
    "nbd-cold-read-1m": "cold",
    "nbd-copy-4g": "large",
    "trim-20g": "new files",
}

# Programs that a row cannot do without.
NEEDS = {key: [] if key.startswith("full-table-") else ["qemu-img"] for key in ROWS}
for key in ROWS:
    if key.startswith("nbd-"):
        NEEDS[key] += ["qemu-nbd", "nbdkit", "fio", "nbdcopy"]
NEEDS["trim-20g"] += ["fallocate"]


def measure_row(key, bench):
    """The lines of one row; one that says why, if it cannot be measured here."""
    try:
        for tool in NEEDS[key]:
            if shutil.which(tool) is None:
                raise Skipped(f"{tool} is not installed")
        return [replace(line, cache=CACHE[key]) for line in ROWS[key](bench)]
    except Skipped as reason:
        return [Line(key, "", skipped=str(reason))]
