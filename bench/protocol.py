"""How a figure is measured: rounds that alternate between the sides, and the ratio of medians.

Inputs are there, synced, and in the page cache in the state that the row names, before the first
round. In each round every side runs
once, one after the other, A B A B; before each, all targets are removed and the file system is
synced. A run lasts at least `seconds`: what is shorter is repeated. Nobody syncs inside the timed
part.
"""

import json
import math
import os
import re
import statistics
import subprocess
from dataclasses import dataclass, field


class Failed(Exception):
    """A command that should have worked did not."""


@dataclass(frozen=True)
class Protocol:
    rounds: int = 15
    seconds: float = 0.3


@dataclass
class Sample:
    """One run of one side: `value` is seconds for commands and requests a second for rates."""

    value: float
    cpu_seconds: float = 0.0
    peak_rss_bytes: int = 0


def run_once(argv):
    """Runs a command that prints one JSON object; gives that."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


class CommandSide:
    """A command that is timed from its start to its end. Less is better."""

    unit = "s"
    less_is_better = True

    def __init__(self, name, timer, argv, target=None):
        """`timer` is the built command_bench."""
        self.name = name
        self._argv = [timer, *argv]
        self._target = target
        self._repeats = 1

    def clean(self):
        if self._target is not None and os.path.exists(self._target):
            os.unlink(self._target)

    def warm_up(self, protocol):
        """One run that does not count, and that tells how often a round repeats the command."""
        self.clean()
        took = run_once(self._argv)["seconds"]
        self._repeats = max(1, math.ceil(protocol.seconds / took))

    def run(self):
        samples = []
        for _ in range(self._repeats):
            self.clean()
            samples.append(run_once(self._argv))
        return Sample(
            statistics.fmean(sample["seconds"] for sample in samples),
            statistics.fmean(sample["cpu-seconds"] for sample in samples),
            max(sample["peak-rss-bytes"] for sample in samples),
        )


class RateSide:
    """A program that measures itself and prints {"rate": N}. More is better."""

    unit = "requests/s"
    less_is_better = False

    def __init__(self, name, argv):
        self.name = name
        self._argv = argv

    def clean(self):
        pass

    def warm_up(self, protocol):
        self.run()

    def run(self):
        return Sample(run_once(self._argv)["rate"])


class FreshRateSide(RateSide):
    """A RateSide whose target is made anew, and synced, before every run."""

    def __init__(self, name, argv, target, make):
        """`make` puts the target there."""
        super().__init__(name, argv)
        self._target = target
        self._make = make

    def clean(self):
        if os.path.exists(self._target):
            os.unlink(self._target)

    def run(self):
        self._make()
        subprocess.run(["sync", "-f", str(self._target)], check=True)
        return Sample(self._rate())

    def _rate(self):
        return run_once(self._argv)["rate"]


class TrimSide(FreshRateSide):
    """A trim of a whole VHDX; it has to give back contiguous blocks in one call."""

    unit = "trims/s"

    def _rate(self):
        result = run_once(self._argv)
        if result["punches"] != 1:
            raise Failed(f"a trim of contiguous blocks made {result['punches']} calls, and not one")
        return result["rate"]


class PreparedRateSide:
    """Another side, before every run of which something is prepared."""

    less_is_better = False

    def __init__(self, side, prepare):
        self.name = side.name
        self.unit = side.unit
        self._side = side
        self._prepare = prepare

    def clean(self):
        self._side.clean()

    def warm_up(self, protocol):
        self.run()

    def run(self):
        self._prepare()
        return self._side.run()


class QemuBenchSide(FreshRateSide):
    """qemu-img bench, which prints how long its requests took."""

    def __init__(self, name, argv, requests, target, make):
        super().__init__(name, argv, target, make)
        self._requests = requests

    def _rate(self):
        words = [str(word) for word in self._argv]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        took = re.search(r"Run completed in ([0-9.]+) seconds", done.stdout)
        if took is None:
            raise Failed(f"{' '.join(words)}: {done.stderr.strip()}")
        return self._requests / float(took.group(1))


@dataclass
class Measured:
    """All samples of one side."""

    name: str
    unit: str
    less_is_better: bool
    samples: list = field(default_factory=list)

    @property
    def median(self):
        return statistics.median(sample.value for sample in self.samples)

    @property
    def cpu_median(self):
        return statistics.median(sample.cpu_seconds for sample in self.samples)

    @property
    def peak_rss_bytes(self):
        return max(sample.peak_rss_bytes for sample in self.samples)

    def against_itself(self):
        """The ratio of the medians of the odd and the even rounds: how much the machine swayed."""
        values = [sample.value for sample in self.samples]
        if len(values) < 2:
            return 1.0
        return statistics.median(values[0::2]) / statistics.median(values[1::2])

    def times_better_than(self, other):
        """The ratio of the medians, above 1 where this side is the better one."""
        if self.less_is_better:
            return other.median / self.median
        return self.median / other.median


def sync_file_system(folder):
    """Syncs the file system that holds the folder (sync -f)."""
    subprocess.run(["sync", "-f", str(folder)], check=True)


def alternate(sides, folder, protocol, say):
    """Measures the sides in turns; one Measured for each, in their order."""
    for side in sides:
        side.warm_up(protocol)
    measured = [Measured(side.name, side.unit, side.less_is_better) for side in sides]
    for number in range(protocol.rounds):
        for side, result in zip(sides, measured):
            for other in sides:
                other.clean()
            sync_file_system(folder)
            result.samples.append(side.run())
        say(f"round {number + 1} of {protocol.rounds}")
    for side in sides:
        side.clean()
    return measured
