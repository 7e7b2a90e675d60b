"""What the figures are made of: medians, ratios, A/A, rounds, and states of the page cache."""

import os
import tempfile
import unittest
from pathlib import Path

import page_cache
import rows
from inputs import MIB
from protocol import CommandSide, Failed, Measured, PreparedRateSide, Protocol, Sample, TrimSide, alternate


def measured(values, less_is_better=False):
    return Measured("side", "unit", less_is_better, [Sample(value, cpu_seconds=value)
                                                     for value in values])


class RatioTest(unittest.TestCase):
    def test_rates_and_times_point_the_same_way(self):
        self.assertEqual(measured([20, 30, 40]).times_better_than(measured([10, 10, 10])), 3)
        self.assertEqual(measured([1], True).times_better_than(measured([4], True)), 4)

    def test_swaying_is_odd_rounds_against_even_ones(self):
        self.assertEqual(measured([10, 20, 10, 20]).against_itself(), 0.5)
        self.assertEqual(measured([7]).against_itself(), 1)

    def test_a_goal_is_met_or_not(self):
        line = rows.faster("row", measured([8]), measured([10]), 0.9)
        self.assertFalse(line.met)
        self.assertAlmostEqual(line.ratio, 0.8)
        self.assertTrue(rows.faster("row", measured([9.5]), measured([10]), 0.9).met)
        self.assertTrue(rows.less_cpu("row", measured([1]), measured([4]), 0.5).met)


class RoundsTest(unittest.TestCase):
    def test_sides_take_turns(self):
        said = []

        class Side:
            unit, less_is_better = "x", False

            def __init__(self, name):
                self.name = name

            def clean(self):
                pass

            def warm_up(self, protocol):
                said.append("warm " + self.name)

            def run(self):
                said.append(self.name)
                return Sample(1)

        with tempfile.TemporaryDirectory() as folder:
            results = alternate([Side("a"), Side("b")], folder, Protocol(rounds=3), lambda text: None)
        self.assertEqual(said, ["warm a", "warm b"] + ["a", "b"] * 3)
        self.assertEqual([len(result.samples) for result in results], [3, 3])

    def test_a_command_that_fails_is_a_failure(self):
        with self.assertRaises(Failed):
            CommandSide("false", "false", []).warm_up(Protocol())

    def test_a_trim_in_many_calls_is_a_failure(self):
        side = TrimSide("trim", ["echo", '{"rate": 1, "punches": 2}'], "gone", lambda: None)
        with self.assertRaises(Failed):
            side._rate()

    def test_what_is_prepared_comes_before_each_run(self):
        said = []

        class Side:
            name, unit = "side", "x"

            def run(self):
                said.append("run")

        side = PreparedRateSide(Side(), lambda: said.append("prepared"))
        side.warm_up(Protocol())
        side.run()
        self.assertEqual(said, ["prepared", "run"] * 2)


class PageCacheTest(unittest.TestCase):
    def test_states_leave_the_contents_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            contents = os.urandom(3 * MIB) + bytes(MIB)
            path.write_bytes(contents)
            os.truncate(path, 8 * MIB)
            for fill in (page_cache.make_cold, page_cache.make_small, page_cache.make_large):
                fill(path)
                self.assertEqual(path.read_bytes(), contents + bytes(4 * MIB))


class TableTest(unittest.TestCase):
    def test_each_row_names_its_page_cache_and_its_needs(self):
        self.assertEqual(set(rows.CACHE), set(rows.ROWS))
        self.assertEqual(set(rows.NEEDS), set(rows.ROWS))


if __name__ == "__main__":
    unittest.main()
