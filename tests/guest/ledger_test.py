"""The book-keeping of the guest runs: what was synced must be found again."""

import unittest

from ledger import Ledger


class LedgerTest(unittest.TestCase):
    def test_a_version_that_was_begun_may_be_there_or_not(self):
        ledger = Ledger()
        ledger.hear("SYNCED a 8 1")
        ledger.hear("BEGIN a 8 2")
        self.assertEqual((ledger.files["a"].oldest, ledger.files["a"].newest), (1, 2))
        ledger.hear("SYNCED a 8 2")
        self.assertEqual((ledger.files["a"].oldest, ledger.files["a"].newest), (2, 2))
        self.assertEqual(ledger.synced, 2)

    def test_a_file_is_gone_when_its_removal_was_synced(self):
        ledger = Ledger()
        ledger.hear("SYNCED a 8 1")
        ledger.hear("UNLINK a")
        self.assertIn("a", ledger.unlinking)
        ledger.hear("REMOVED a")
        self.assertNotIn("a", ledger.files)
        self.assertIn("a", ledger.gone)


if __name__ == "__main__":
    unittest.main()
