#!/usr/bin/env python3
"""A snapshot of a disk that is in use, in the model: a parent, the child that takes over its writes, and the
directory that names it. The power is cut at every step, of all three at the same moment.

    snapshot.py RUNS [MUTATION,...] [SEED]

Without mutations it fails if a promise was broken; with some, if nothing was."""
import collections
import random
import sys
import time

from engine import Eng
from geometry import Bad, BAT, H, Hdr, MAXU, NB, U
from host import F
from reader import contents, view
from sim import Sim

MUTATIONS = {
    "parent_open": "the parent is not closed before it gets a child",
    "parent_unsynced": "what a killed process left of the parent is not made durable",
    "old_identity": "the child names the identity that the parent had before its session",
    "child_unsynced": "the child gets its name before it is durable",
    "name_unsynced": "the child is written before its name is durable",
}


class Cut(Exception):
    """A promise is broken: the run is over."""


class Snapshot:
    def __init__(s, seed, mutations=()):
        s.rng = random.Random(seed)
        s.m = frozenset(mutations)
        s.states = 0
        s.broken = collections.Counter()
        start = Sim(seed, opt={"child": False, "dev": False})
        s.parent = start.initial()
        s.token = start.tok
        s.child = s.locator = None
        s.named = "no"  # no, perhaps, durably
        # What each sector may hold after a cut: since the last flush, all that it held.
        s.allowed = [{t} for t in contents(view(s.parent.vol[:], s.parent.vsize))]
        s.unflushed = {}

    def sample(s):
        s.states += 1
        arr, size = s.parent.crash(s.rng)
        try:
            parent = view(arr, size)
            seen = contents(parent)
            if s.named == "durably" or (s.named == "perhaps" and s.rng.random() < 0.5):
                arr, size = s.child.crash(s.rng)
                child = view(arr, size, child=True)
                if s.locator.crash(s.rng)[0][0] is not parent.h.dwg:
                    raise Bad("the child does not know its parent")
                seen = [seen[x] if t < 0 else t for x, t in enumerate(contents(child))]
            for x, t in enumerate(seen):
                if t not in s.allowed[x]:
                    raise Bad("wrong bytes")
        except Bad as e:
            s.broken[str(e)] += 1
            raise Cut() from e

    def steps(s, work):
        for _ in work:
            s.sample()

    def flushed(s):
        for x, t in s.unflushed.items():
            s.allowed[x] = {t}
        s.unflushed = {}

    def guest(s, engine, requests):
        for _ in range(requests):
            if s.rng.random() < 0.3:
                s.steps(engine.flush())
                s.flushed()
                continue
            block = s.rng.randrange(NB)
            first = s.rng.randrange(U)
            values = [s.token + i for i in range(s.rng.randrange(1, U - first + 1))]
            s.token += len(values)
            for i, t in enumerate(values):
                s.allowed[block * U + first + i].add(t)
                s.unflushed[block * U + first + i] = t
            s.steps(engine.write(block, first, values))

    def rest(s, engine):
        """The session ends; a parent that was not written is synced."""
        if engine.started:
            s.steps(engine.close())
        elif "parent_unsynced" in s.m:
            return
        s.steps(engine.sync())
        s.flushed()

    def make_child(s, identity):
        s.child = F([0] * (MAXU * U), 0)
        s.locator = F([0], 1)
        size = (BAT // U + 1) * U
        s.child.resize(size)
        yield
        s.locator.write(0, [identity])
        yield
        file_write, data_write = object(), object()
        for number, slot in enumerate(H):
            header = Hdr(4 + number, file_write, data_write, None)
            s.child.write(slot, [("H", header, i) for i in range(8)])
            yield
        if "child_unsynced" not in s.m:
            s.child.commit(s.child.mark(), s.rng)
            s.locator.commit(s.locator.mark(), s.rng)
            yield

    def name_child(s):
        s.named = "perhaps"
        yield
        if "name_unsynced" not in s.m:
            s.named = "durably"
            yield

    def engine(s, file, child):
        return Eng(file, s.rng, frozenset(), child, {"restart": 1, "ahead": 1})

    def run(s):
        try:
            if s.rng.random() < 0.4:
                s.guest(s.engine(s.parent, False), s.rng.randrange(1, 5))
                # Killed: what was only in memory is gone, and the page cache lives on.
                left = contents(view(s.parent.vol[:], s.parent.vsize))
                s.unflushed = dict(enumerate(left))
            engine = s.engine(s.parent, False)
            before = engine.dwg0
            s.guest(engine, s.rng.randrange(0, 7))
            if "parent_open" not in s.m:
                s.rest(engine)
            s.steps(s.make_child(before if "old_identity" in s.m else engine.dwg1))
            s.steps(s.name_child())
            engine = s.engine(s.child, True)
            s.guest(engine, s.rng.randrange(2, 9))
            s.steps(engine.close())
            s.sample()
        except Cut:
            pass
        except Bad as e:
            s.broken["engine: " + str(e)] += 1
        return s


def campaign(seed, runs, mutations=(), stop=False):
    broken = collections.Counter()
    first = {}
    states = 0
    for i in range(runs):
        done = Snapshot(seed + i, mutations).run()
        states += done.states
        broken.update(done.broken)
        for promise in done.broken:
            first.setdefault(promise, seed + i)
        if broken and stop:
            break
    return broken, states, first


def main():
    start = time.monotonic()
    mutations = [x for x in sys.argv[2].split(",") if x] if len(sys.argv) > 2 else []
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    broken, states, first = campaign(seed, int(sys.argv[1]), mutations)
    print(f"{dict(broken) or 'nothing broken'}, {states} states, first seeds {first}, "
          f"{time.monotonic() - start:.1f} s")
    return bool(broken) != bool(mutations)


if __name__ == "__main__":
    sys.exit(main())
