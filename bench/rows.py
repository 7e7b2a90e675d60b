"""The rows: each a piece of work, the sides that do it, and what is promised of the ratio.

A row is a function that takes a Bench and gives Lines; ROWS names them. To add one, write the
function and add it there; docs/performance.md says what bounds it.
"""

import contextlib
import shutil
from dataclasses import dataclass
from typing import Optional

from inputs import GIB, MIB, TIB, call
from mounts import Skipped, loop_mount
from protocol import (CommandSide, FreshRateSide, QemuBenchSide, RateSide, alternate,
                      drop_from_page_cache)
from servers import FioSide, served

# Loop-mounted file systems: 4 GiB of data as VHDX, as raw, and as one target, with room to spare.
REFLINK_VOLUME = 24 * GIB
# For random requests. From 1 GiB on a file's tree of cached pages is one level deeper, and the image
# is a little longer than the raw file.
RANDOM_SIZE = GIB - 64 * MIB
MAX_INFO_RSS = 16 * MIB


@dataclass
class Line:
    """One line of the table: a ratio of ours to one peer, or one absolute figure."""

    row: str
    what: str
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
    return Line(row, f"against {theirs.name}", ours.median, theirs.median, ours.unit, ratio,
                ours.against_itself(), f">= {at_least:g} x", ratio >= at_least,
                samples_ours=tuple(s.value for s in ours.samples),
                samples_theirs=tuple(s.value for s in theirs.samples))


def less_cpu(row, ours, theirs, at_most):
    ratio = ours.cpu_median / theirs.cpu_median
    return Line(row, f"CPU against {theirs.name}", ours.cpu_median, theirs.cpu_median, "CPU s", ratio,
                None, f"<= {at_most:g} x", ratio <= at_most,
                samples_ours=tuple(s.cpu_seconds for s in ours.samples),
                samples_theirs=tuple(s.cpu_seconds for s in theirs.samples))


def less_memory(row, ours, theirs, at_most_bytes):
    return Line(row, "peak memory", ours.peak_rss_bytes / MIB, theirs.peak_rss_bytes / MIB, "MiB",
                ours.peak_rss_bytes / theirs.peak_rss_bytes, None, f"< {at_most_bytes // MIB} MiB",
                ours.peak_rss_bytes < at_most_bytes)


def random_requests(threads, write):
    """4 KiB at random offsets against the same on a raw file, everything allocated and cached."""

    def row(bench):
        key = f"random-{'write' if write else 'read'}-{threads}"
        image = bench.inputs.image("full", RANDOM_SIZE, 2 * MIB, 100)
        image, raw = bench.inputs.copies(image, bench.inputs.raw_twin(image))
        if not write:
            drop_from_page_cache([image, raw])
        bench.inputs.warm(image, raw)
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
    bench.inputs.warm(image, raw)
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
    bench.inputs.warm(raw)
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
            here.warm(image, raw)
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


@contextlib.contextmanager
def three_servers(bench, image, qemu_image, raw):
    """The URIs of our plugin, of qemu-nbd, and of nbdkit's file plugin."""
    with served(lambda socket: ["nbdkit", "-f", "-U", socket, bench.programs.plugin,
                                f"file={image}"]) as ours, \
         served(lambda socket: ["qemu-nbd", "-f", "vhdx", "-t", "-e", 16, "-k", socket,
                                qemu_image]) as qemu, \
         served(lambda socket: ["nbdkit", "-f", "-U", socket, "file", raw]) as file_plugin:
        yield ours, qemu, file_plugin


def nbd_requests(write):
    """fio's random requests to allocated blocks, 16 at once, over a Unix socket."""

    def row(bench):
        key = f"nbd-random-{'write' if write else 'read'}"
        original = bench.inputs.image("full", RANDOM_SIZE, 2 * MIB, 100)
        image, raw = bench.inputs.copies(original, bench.inputs.raw_twin(original))
        # Both write, and neither into what the other has.
        qemu_image = bench.inputs.in_folder(bench.inputs.subfolder("for-qemu")).copy_of(original)
        bench.inputs.warm(image, raw, qemu_image)
        with three_servers(bench, image, qemu_image, raw) as uris:
            names = ("vhdx", "qemu-nbd", "nbdkit file")
            ours, qemu, file_plugin = bench.measure(
                [FioSide(name, uri, write, bench.protocol.seconds + 0.2)
                 for name, uri in zip(names, uris)],
                bench.inputs.folder)
        at_least_qemu, at_least_file = (3, 0.8) if write else (1.1, 0.9)
        return [faster(key, ours, qemu, at_least_qemu),
                faster(key, ours, file_plugin, at_least_file)]

    return row


def nbd_copy(bench):
    """nbdcopy reads 4 GiB, a quarter of it data, over a Unix socket."""
    key = "nbd-copy-4g"
    image = bench.inputs.image("quarter-4g", 4 * GIB, 2 * MIB, 25)
    raw = bench.inputs.raw_twin(image)
    qemu_image = bench.inputs.in_folder(bench.inputs.subfolder("for-qemu")).copy_of(image)
    bench.inputs.warm(image, raw, qemu_image)
    with three_servers(bench, image, qemu_image, raw) as uris:
        names = ("vhdx", "qemu-nbd", "nbdkit file")
        ours, qemu, file_plugin = bench.measure(
            [bench.command(name, ["nbdcopy", uri, "null:"]) for name, uri in zip(names, uris)],
            bench.inputs.folder)
    return [faster(key, ours, qemu, 1.1), faster(key, ours, file_plugin, 0.9)]


ROWS = {
    "random-read-1": random_requests(1, write=False),
    "random-read-16": random_requests(16, write=False),
    "random-write-1": random_requests(1, write=True),
    "random-write-16": random_requests(16, write=True),
    "new-blocks": new_blocks(flush_each=False),
    "new-blocks-flush-each": new_blocks(flush_each=True),
    "convert-4g": convert_to_raw,
    "convert-4g-to-vhdx": convert_from_raw,
    "convert-16g-xfs": convert_reflink("xfs"),
    "convert-16g-btrfs": convert_reflink("btrfs"),
    "convert-empty-127g": convert_empty,
    "info-64t": info_of_huge,
    "nbd-random-read": nbd_requests(write=False),
    "nbd-random-write": nbd_requests(write=True),
    "nbd-copy-4g": nbd_copy,
}

# Programs that a row cannot do without.
NEEDS = {key: ["qemu-img"] for key in ROWS}
NEEDS["nbd-random-read"] += ["qemu-nbd", "nbdkit", "fio"]
NEEDS["nbd-random-write"] += ["qemu-nbd", "nbdkit", "fio"]
NEEDS["nbd-copy-4g"] += ["qemu-nbd", "nbdkit", "nbdcopy"]


def measure_row(key, bench):
    """The lines of one row; one that says why, if it cannot be measured here."""
    try:
        for tool in NEEDS[key]:
            if shutil.which(tool) is None:
                raise Skipped(f"{tool} is not installed")
        return ROWS[key](bench)
    except Skipped as reason:
        return [Line(key, "", skipped=str(reason))]
