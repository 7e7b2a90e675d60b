#!/usr/bin/env python3
"""Runs the model for the test suite: the design as it is breaks no promise, and mutations are caught.

    check.py [--runs N] [--seed S]

N runs (60) of each variant of the design; the last line is a summary, the exit status 1 if a promise was
broken or a mutation went unseen. The same seed gives the same runs."""
import argparse
import sys
import time

import sim
import snapshot

# A full log starts a new generation instead of wrapping, and the file grows ahead: as in the engine.
ENGINE = {"restart": 1, "ahead": 1}
DESIGN = [
    ("as the engine", {}),
    ("a full host", {"pfull": 0.8}),
    ("a child", {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5}),
    ("a block device", {"dev": True}),
    ("one page an entry", {"maxe": 1}),
]
MUTATIONS = [
    ("early_inplace", {}, "a page is checkpointed before its entry is durable"),
    ("enospc_forget", {"pfull": 0.8}, "the pages of a commit that found no space are forgotten"),
    ("skip_entry", {}, "a header names a log whose first entry is not durable"),
]
MUTATION_RUNS = 200  # at most


def run(seed, runs, mutation, options, stop):
    broken, states, runs, _, _, first = sim.campaign(
        seed, runs, mutation, dict(ENGINE, **options), stopfirst=stop)
    # Where each was broken first: the seed alone gives that run again.
    return {f"{promise} (seed {first[promise][0]})": count for promise, count in broken.items()}, states, runs


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    start = time.monotonic()
    states = 0
    good = True
    for name, options in DESIGN:
        broken, count, runs = run(arguments.seed, arguments.runs, (), options, False)
        states += count
        good = good and not broken
        print(f"design, {name}: {count} states in {runs} runs, {broken or 'nothing broken'}",
              flush=True)
    for mutation, options, meaning in MUTATIONS:
        broken, count, runs = run(arguments.seed, MUTATION_RUNS, (mutation,), options, True)
        good = good and bool(broken)
        print(f"{mutation} ({meaning}): {'caught' if broken else 'NOT CAUGHT'} after {count} states",
              flush=True)
    broken, count, _ = snapshot.campaign(arguments.seed, 5 * arguments.runs)
    states += count
    good = good and not broken
    print(f"design, a snapshot: {count} states, {dict(broken) or 'nothing broken'}", flush=True)
    for mutation, meaning in snapshot.MUTATIONS.items():
        broken, count, _ = snapshot.campaign(arguments.seed, MUTATION_RUNS, (mutation,), stop=True)
        good = good and bool(broken)
        print(f"{mutation} ({meaning}): {'caught' if broken else 'NOT CAUGHT'} after {count} states",
              flush=True)
    print(f"model: {states} states, {'every promise kept, every mutation caught' if good else 'FAILED'}"
          f", in {time.monotonic() - start:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
