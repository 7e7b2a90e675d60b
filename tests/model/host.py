"""The host: a file with what is durable, what is not yet, and what a power cut leaves of it."""
from geometry import NoSpace


class F:
    def __init__(s, dur, dsize, dev=False):
        s.dur = dur
        s.dsize = dsize
        s.vol = dur[:]
        s.vsize = dsize
        s.pend = []
        s.base = 0
        s.failnext = False
        s.dev = dev
        s.lost = False
        s.full = False

    def write(s, a, t):
        if s.full:
            raise NoSpace()  # copy on write: every write needs space, and changes nothing without
        if a + len(t) > s.vsize:
            s.resize(a + len(t))
        s.pend.append(("w", a, t))
        s.vol[a : a + len(t)] = t

    def resize(s, n):
        if s.dev:
            return
        if s.full and n > s.vsize:
            raise NoSpace()
        s.pend.append(("t", n, 0))
        if n < s.vsize:
            s.vol[n : s.vsize] = [0] * (s.vsize - n)
        s.vsize = n

    def punch(s, a, n):
        s.pend.append(("p", a, n))
        s.vol[a : a + n] = [0] * n

    def mark(s):
        return s.base + len(s.pend)

    def _ap(s, arr, size, op):
        k, a, b = op
        if k == "w":
            arr[a : a + len(b)] = b
        elif k == "p":
            arr[a : a + b] = [0] * b
        else:
            if a < size:
                arr[a:size] = [0] * (size - a)
            size = a
        return size

    def commit(s, m, rng):
        k = m - s.base
        if k <= 0:
            return True
        ops = s.pend[:k]
        s.pend = s.pend[k:]
        s.base = m
        if s.failnext:  # writeback failed: a subset reached the disk, the rest never will
            s.failnext = False
            s.lost = True
            for op in ops:
                if rng.random() < 0.5:
                    s.dsize = s._ap(s.dur, s.dsize, op)
            return False
        for op in ops:
            s.dsize = s._ap(s.dur, s.dsize, op)
        return True

    def crash(s, rng):
        arr = s.dur[:]
        size = s.dsize
        p = rng.choice((0, 0.15, 0.5, 0.85, 1, 0.5))
        pt = rng.choice((0, 0.5, 1))
        tear = rng.random() < 0.6
        prefix = rng.random() < 0.5
        dead = False
        for k, a, b in s.pend:
            if k == "t":
                keep = rng.random() < pt and not dead
                if not keep and prefix:
                    dead = True
                if keep:
                    if a < size:
                        arr[a:size] = [0] * (size - a)
                    size = a
            elif k == "p":
                if tear:
                    for i in range(a, a + b):
                        if rng.random() < p:
                            arr[i] = 0
                elif rng.random() < p:
                    arr[a : a + b] = [0] * b
            else:
                if tear and len(b) > 1:
                    for i, t in enumerate(b):
                        if rng.random() < p:
                            arr[a + i] = t
                elif rng.random() < p:
                    arr[a : a + len(b)] = b
        if not s.dev:
            arr[size:] = [0] * (len(arr) - size)
        return arr, size
