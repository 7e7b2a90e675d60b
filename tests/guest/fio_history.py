"""What fio wrote and when, as its own log has it, and whether a disk holds what it must.

Each job makes one request at a time and stores a header in every sector (`JOB_OPTIONS`): a sector
says which write of its job it comes from, and has an MD5 of the rest. So an image of some moment holds
the first so many writes of each job and nothing else, and the log says how many that may be.
"""

import hashlib
import struct
from dataclasses import dataclass, field

from ledger import Failed

SECTOR = 512
JOB_OPTIONS = (
    "rw=randwrite", "iodepth=1", "verify=md5", f"verify_interval={SECTOR}", "verify_fatal=1",
    "do_verify=1", "verify_state_save=0", "clocksource=clock_gettime", "log_offset=1",
    "log_unix_epoch=1",
)  # fmt: skip
# fio's struct verify_header, and the digest of what follows it.
HEADER = struct.Struct("<HHIQQIIHHI16s")
MAGIC = 0xACCA
MOST_WRITES = 1 << 16  # of a job: the header has 16 bits for the number of a write
IS_WRITE = 1
SLACK = 0.005  # seconds; fio's log is in milliseconds


@dataclass
class Request:
    begin: float  # seconds since 1970
    end: float
    offset: int
    is_write: bool


def read_log(lines):
    """The requests in a log of latencies, in the order in which they ended."""
    for line in lines:
        end_ms, latency_ns, direction, _, offset, _ = map(int, line.split(","))
        end = end_ms / 1000
        yield Request(end - latency_ns / 1e9, end, offset, direction == IS_WRITE)


def number_of_write(sector, offset):
    """Which write of its job a sector comes from; None for zeros."""
    if sector == bytes(SECTOR):
        return None
    magic, _, length, _, place, _, _, _, number, _, digest = HEADER.unpack_from(sector)
    is_whole = hashlib.md5(sector[HEADER.size:]).digest() == digest
    if magic != MAGIC or length != SECTOR or not is_whole:
        raise Failed(f"the sector at {offset} was never written")
    if place != offset:
        raise Failed(f"the sector at {offset} belongs to {place}")
    return number


@dataclass
class Job:
    """Random writes of one size to a part of the disk."""

    start: int
    size: int
    block: int
    requests: list = field(default_factory=list)
    writes: list = field(default_factory=list)

    def read_log(self, path):
        with open(path, encoding="ascii") as lines:
            self.requests = list(read_log(lines))
        self.writes = [request for request in self.requests if request.is_write]
        if len(self.writes) > MOST_WRITES:
            raise Failed(f"{len(self.writes)} writes of one job cannot be told apart; run it shorter")

    def write_of_block(self, contents, offset):
        """The number of the write that a block comes from, all of it; None for zeros."""
        numbers = {number_of_write(contents[at:at + SECTOR], at)
                   for at in range(offset, offset + self.block, SECTOR)}
        if len(numbers) != 1:
            raise Failed(f"the block at {offset} is torn: it has the writes {numbers}")
        (number,) = numbers
        if number is not None and (number >= len(self.writes)
                                   or self.writes[number].offset != offset):
            raise Failed(f"the block at {offset} says that it is of write {number}, which it is not")
        return number

    def count_in(self, contents):
        """How many writes the disk holds; it holds the first so many, and no other."""
        found = {offset: self.write_of_block(contents, offset)
                 for offset in range(self.start, self.start + self.size, self.block)}
        count = 1 + max((number for number in found.values() if number is not None), default=-1)
        expected = dict.fromkeys(found)
        for number, write in enumerate(self.writes[:count]):
            expected[write.offset] = number
        if found != expected:
            wrong = [offset for offset in found if found[offset] != expected[offset]]
            raise Failed(f"of the first {count} writes some are missing, at {wrong[:8]}")
        return count

    def check_moment(self, contents, begin, end):
        """The disk holds what had been written at one moment between those two."""
        count = self.count_in(contents)
        ended = sum(write.end + SLACK <= begin for write in self.writes)
        begun = sum(write.begin - SLACK <= end for write in self.writes)
        if not ended <= count <= begun:
            raise Failed(f"it holds {count} writes; {ended} had ended before, and {begun} had begun")


def longest_request(jobs, begin, end):
    """In seconds, of those that were under way between the two."""
    return max((request.end - request.begin for job in jobs for request in job.requests
                if request.end + SLACK >= begin and request.begin - SLACK <= end), default=0.0)
