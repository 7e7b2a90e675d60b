"""Whether a disk that does not hold what was written is noticed."""

import hashlib
import unittest

from fio_history import HEADER, MAGIC, SECTOR, Job, Request, longest_request, read_log
from ledger import Failed

BLOCK = 2 * SECTOR
START = 4 * BLOCK


def sector(offset, number):
    rest = bytes([number + 1]) * (SECTOR - HEADER.size)
    return HEADER.pack(MAGIC, 2, SECTOR, 7, offset, 0, 0, 1, number, 0,
                       hashlib.md5(rest).digest()) + rest


class JobTest(unittest.TestCase):
    """Four blocks; write number n took from n + 0.1 s to n + 0.2 s."""

    def setUp(self):
        self.job = Job(START, 4 * BLOCK, BLOCK)
        self.job.writes = [Request(n + 0.1, n + 0.2, START + block * BLOCK, True)
                           for n, block in enumerate((0, 1, 0, 2, 1))]

    def disk(self, count):
        """After the first so many."""
        contents = bytearray(START + 4 * BLOCK)
        for number, write in enumerate(self.job.writes[:count]):
            for at in range(write.offset, write.offset + BLOCK, SECTOR):
                contents[at:at + SECTOR] = sector(at, number)
        return contents

    def refuse(self, words, contents, begin=3.0, end=3.0):
        with self.assertRaisesRegex(Failed, words):
            self.job.check_moment(bytes(contents), begin, end)

    def test_what_was_written_is_accepted(self):
        for count in range(6):
            self.job.check_moment(bytes(self.disk(count)), count, count)

    def test_a_write_under_way_may_be_there(self):
        for count in (2, 3):
            self.job.check_moment(bytes(self.disk(count)), 2.15, 2.16)

    def test_a_write_that_is_missing_or_too_new_is_noticed(self):
        self.refuse("it holds 2 writes; 3 had ended", self.disk(2))
        self.refuse("it holds 4 writes; .* 3 had begun", self.disk(4))

    def test_a_block_that_lost_its_newest_write_is_noticed(self):
        contents = self.disk(4)
        contents[START:START + BLOCK] = self.disk(1)[START:START + BLOCK]
        self.refuse("some are missing", contents, 4.0, 4.0)
        contents[START:START + BLOCK] = bytes(BLOCK)
        self.refuse("some are missing", contents, 4.0, 4.0)

    def test_a_torn_block_is_noticed(self):
        contents = self.disk(3)
        contents[START:START + SECTOR] = self.disk(1)[START:START + SECTOR]
        self.refuse("torn", contents)

    def test_other_bytes_are_noticed(self):
        contents = self.disk(3)
        contents[START + SECTOR - 1] ^= 1
        self.refuse("never written", contents)

    def test_a_sector_in_another_place_is_noticed(self):
        contents = self.disk(3)
        contents[START:START + SECTOR] = sector(START + SECTOR, 2)
        self.refuse("belongs to", contents)
        contents[START:START + SECTOR] = sector(START, 1)
        contents[START + SECTOR:START + BLOCK] = sector(START + SECTOR, 1)
        self.refuse("which it is not", contents)


class LogTest(unittest.TestCase):
    def test_a_log_is_read(self):
        lines = ["2500, 250000000, 1, 4096, 8192, 0\n", "3000, 1000000, 0, 4096, 0, 0\n"]
        job = Job(0, 0, 0, requests=list(read_log(lines)))
        self.assertEqual(job.requests[0], Request(2.25, 2.5, 8192, True))
        self.assertFalse(job.requests[1].is_write)
        self.assertEqual(longest_request([job], 2.4, 2.6), 0.25)
        self.assertAlmostEqual(longest_request([job], 2.9, 3.1), 0.001)
        self.assertEqual(longest_request([job], 2.6, 2.7), 0.0)


if __name__ == "__main__":
    unittest.main()
