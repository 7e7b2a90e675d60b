#!/usr/bin/env python3
"""How QEMU's replay, which ignores tails and extends no file, fares on our crashed files, by log and growth
rule. Takes about a minute."""
import collections
import time
from multiprocessing import Pool

import sim

SECONDS = 28


def job(options):
    start = time.monotonic()
    answers = collections.Counter()
    broken = collections.Counter()
    states = runs = 0
    while time.monotonic() - start < SECONDS:
        run = sim.Sim(500000 + runs, (), dict(options)).run(k=2)
        runs += 1
        answers.update(run.q)
        broken.update(run.viol)
        states += run.states
    return options, answers, states, broken


def main():
    rules = ({}, {"restart": 1}, {"ahead": 1}, {"ahead": 1, "restart": 1})
    with Pool(2) as pool:
        for options, answers, states, broken in pool.imap(
                job, [dict(child=False, dev=False, qemu=1, **rule) for rule in rules]):
            rule = [name for name in ("restart", "ahead") if name in options] or ["neither"]
            wrong = {k: v for k, v in answers.items() if k not in ("states", "ok")}
            print(f"{' and '.join(rule)}: right in {answers['ok']} of {answers['states']} states"
                  f" {wrong or ''}; promises broken: {dict(broken) or 'none'}", flush=True)


if __name__ == "__main__":
    main()
