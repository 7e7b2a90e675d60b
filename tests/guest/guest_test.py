"""What is heard of a guest: its last line may have been cut by the kill."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from guest import Guest


class GuestTest(unittest.TestCase):
    def heard(self, said):
        """The lines of a machine that says this and ends."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "said").write_text(said, encoding="ascii")
            machine = folder / "qemu-system-x86_64"
            machine.write_text(f"#!/bin/sh\nexec cat '{folder}/said'\n", encoding="ascii")
            machine.chmod(0o755)
            path = f"{folder}:{os.environ['PATH']}"
            with mock.patch.dict(os.environ, PATH=path):
                guest = Guest(folder, "socket", "list", folder / "console", "mkfs", 1)
            return guest.wait()

    def test_a_last_line_that_was_cut_is_not_heard(self):
        self.assertEqual(self.heard("SYNCED a 8 12\nSYNCED b 8 1"), ["SYNCED a 8 12"])

    def test_every_whole_line_is_heard(self):
        self.assertEqual(self.heard("SYNCED a 8\nBEGIN\n"), ["SYNCED a 8", "BEGIN"])


if __name__ == "__main__":
    unittest.main()
