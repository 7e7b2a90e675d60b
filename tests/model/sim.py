#!/usr/bin/env python3
"""The write path in miniature, and a checker that cuts the power at every step of it; README.md says what it
shows. Units: a sector has 512 bytes, a page 8 sectors (4 KiB), and a unit 16 sectors: a payload block, a
sector bitmap block, and what stands for 1 MiB.

    sim.py RUNS [MUTATION,...] [SEED]"""
import collections
import os
import random
import sys
import time

PG = 8
U = 16
NB = 12
CR = 4
NV = NB * U
LOGP = int(os.environ.get("LOGP", "12"))
LOG = U
LOGU = LOGP * PG // U
BATU = 1 + LOGU
BAT = BATU * U
FIRST = BATU + 1
MAXU = 72
MAXE = 3
H = (0, 8)


def pidx(b):
    return b + b // CR


def sidx(c):
    return (c + 1) * CR + c


class Bad(Exception):
    pass


class Poison(Exception):
    pass


class NoSpace(Exception):
    pass


class Hdr:
    __slots__ = ("seq", "fwg", "dwg", "lg")

    def __init__(s, seq, fwg, dwg, lg):
        s.seq, s.fwg, s.dwg, s.lg = seq, fwg, dwg, lg


class Ent:
    __slots__ = ("start", "n", "seq", "g", "tail", "ffo", "lfo", "writes", "applied", "retired")


# ---------------------------------------------------------------- file with volatile and durable state
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


# ---------------------------------------------------------------- reading headers and log
def headers(arr):
    r = []
    for a in H:
        t = arr[a]
        r.append(
            t[1]
            if type(t) is tuple
            and t[0] == "H"
            and all(arr[a + i] == ("H", t[1], i) for i in range(8))
            else None
        )
    return r


def current(arr):
    a, b = headers(arr)
    if not a and not b:
        raise Bad("no header")
    if a and b and a.seq == b.seq:
        raise Bad("equal seq")
    return (0 if (not b or (a and a.seq > b.seq)) else 1), (a, b)


def entry_at(arr, p, g):
    t = arr[LOG + p * PG]
    if type(t) is not tuple or t[0] != "L" or t[2]:
        return None
    e = t[1]
    if e.g != g:
        return None
    for q in range(e.n):
        o = LOG + ((p + q) % LOGP) * PG
        for i in range(8):
            x = arr[o + i]
            if type(x) is not tuple or x[0] != "L" or x[1] is not e or x[2] != q * 8 + i:
                return None
    return e


def find_active(arr, g, mut):
    best = None
    tail = 0
    while True:
        run = []
        pos = tail
        used = 0
        while used < LOGP:
            e = entry_at(arr, pos, g)
            if e is None:
                if "refuse_torn" in mut:
                    t = arr[LOG + pos * PG]
                    if run and type(t) is tuple and t[0] == "L" and t[1].g == g and t[2] == 0:
                        raise Bad("torn refused")
                break
            if used + e.n > LOGP:
                break
            if run and e.seq != run[-1].seq + 1 and "nocont" not in mut:
                break
            run.append(e)
            pos = (pos + e.n) % LOGP
            used += e.n
        ok = bool(run) and any(e.start == run[-1].tail for e in run)
        if ok and (best is None or run[-1].seq > best[-1].seq):
            best = run
        old = tail
        tail = pos if ok else (tail + 1) % LOGP
        if tail <= old:
            break
    if best is None:
        raise Bad("no valid sequence")
    if "replay_all" in mut:
        return best
    i = [e.start for e in best].index(best[-1].tail)
    return best[i:]


def qemu_active(arr, g):
    """QEMU's search as described in peers.md 3.3 A: whole run, chosen by first entry's number, Tail ignored, first-to-second jump accepted"""
    cand = None
    tail = 0
    while True:
        run = []
        pos = tail
        used = 0
        cs = 0
        while used < LOGP:
            e = entry_at(arr, pos, g)
            if e is None or (cs and e.seq != cs + 1):
                break
            if run:
                cs = e.seq
            run.append(e)
            pos = (pos + e.n) % LOGP
            used += e.n
        if run and (cand is None or run[0].seq > cand[0].seq):
            cand = run
        old = tail
        tail = pos if run else (tail + 1) % LOGP
        if tail <= old:
            break
    if cand is None:
        return []
    return cand


class View:
    pass


def check_bat(arr, size, child):
    bat = []
    sb = []
    claims = {}
    for i in range(NB + NB // CR):
        t = arr[BAT + i]
        if t == 0:
            t = ("b", 0, 0)
        if type(t) is not tuple or t[0] != "b":
            raise Bad("BAT garbage")
        st, off = t[1], t[2]
        if off:
            if off < FIRST or (off + 1) * U > size:
                raise Bad("BAT out of file")
            if off in claims:
                raise Bad("overlap")
            claims[off] = i
        elif st in (6, 7):
            raise Bad("present without offset")
        if i % (CR + 1) == CR:
            sb.append((st, off))
        else:
            bat.append((st, off))
    for b in range(NB):
        if bat[b][0] == 7:
            if not child:
                raise Bad("state 7 in base")
            if sb[b // CR][0] != 6:
                raise Bad("state 7 without bitmap block")
    return bat, sb


def view(arr, size, mut=frozenset(), child=False, qemu=False):
    """read-only open of a private copy arr: replay in memory, check structure"""
    v = View()
    cur, hs = current(arr)
    h = hs[cur]
    v.h = h
    v.replayed = 0
    if h.lg:
        act = qemu_active(arr, h.lg) if qemu else find_active(arr, h.lg, mut)
        if qemu:
            for e in act:
                if size < e.ffo:
                    raise Bad("QEMU: FlushedFileOffset")
        elif size < act[-1].ffo:
            raise Bad("file shorter than FlushedFileOffset")
        for e in act:
            for a, t in e.writes:
                arr[a : a + 8] = t
                if a + 8 > size:
                    size = a + 8
        if not qemu and size < act[-1].lfo:
            size = act[-1].lfo
        v.replayed = len(act)
    v.size = size
    v.arr = arr
    v.child = child
    v.bat, v.sb = check_bat(arr, size, child)
    return v


def bits_of(tok):
    if tok == 0:
        return 0
    if type(tok) is tuple and tok[0] == "m":
        return tok[1]
    return None


def contents(v):
    out = []
    arr = v.arr
    for b in range(NB):
        st, off = v.bat[b]
        if st == 6:
            out += arr[off * U : off * U + U]
        elif st == 7:
            so = v.sb[b // CR][1] * U + (b % CR) * 4
            x = arr[off * U : off * U + U]
            for j in range(4):
                m = bits_of(arr[so + j])
                if m is None:
                    raise Bad("bitmap garbage")
                for k in range(4):
                    i = j * 4 + k
                    out.append(x[i] if m >> k & 1 else -(b * U + i) - 1)
        elif st == 0 and v.child:
            out += [-(b * U + i) - 1 for i in range(U)]
        else:
            out += [0] * U
    return out


# ---------------------------------------------------------------- the engine
class Lock:
    def __init__(s):
        s.x = False
        s.n = 0


class Eng:
    def __init__(s, f, rng, mut, child, opt):
        s.f = f
        s.rng = rng
        s.m = mut
        s.child = child
        s.opt = opt
        v = view(f.vol[:], f.vsize, mut, child)
        s.v0 = v
        s.c0 = contents(v)
        s.pages = {}
        s.dirty = set()
        s.need = False
        for a in (BAT, BAT + PG):
            s.pages[a] = list(v.arr[a : a + PG])
        for c in range(NB // CR):
            if v.sb[c][0] == 6:
                for a in (v.sb[c][1] * U, v.sb[c][1] * U + PG):
                    s.pages[a] = list(v.arr[a : a + PG])
        s.dirtylog = v.h.lg is not None
        s.started = False
        s.starting = False
        s.logging = False
        s.dwg0 = v.h.dwg
        s.dwg1 = s.dwg0
        s.entries = collections.deque()
        s.head = 0
        s.durTail = 0
        s.seq = 0
        s.g = None
        s.last = None
        s.lastdur = None
        s.locks = [Lock() for _ in range(NB)]
        s.sblock = [Lock() for _ in range(NB // CR)]
        used = {off for st, off in v.bat + v.sb if off}
        s.end = max(used | {FIRST - 1}) + 1
        s.fd = set(range(FIRST, s.end)) - used
        s.fz = set()
        s.pf = []
        s.metafree = []
        s.punching = []
        s.ready = []
        s.append = s.end
        s.lfo0 = v.size
        s.durlen = None
        s.pins = collections.Counter()
        s.over = {}
        s.pn = set()
        s.round = 0
        s.done = -1
        s.leader = False
        s.poison = False
        s.nsync = 0
        s.nofix = False
        s.stat = opt.setdefault("stat", collections.Counter())
        s.begun = None
        s.retiring = False
        s.closing = False

    def get(s, i):
        a = BAT + i // PG * PG
        t = s.pages[a][i % PG]
        return (t[1], t[2]) if t else (0, 0)

    def bat(s, b):
        if b in s.over:
            return s.over[b]
        return s.get(pidx(b))

    def setbat(s, i, st, off):
        a = BAT + i // PG * PG
        s.pages[a][i % PG] = ("b", st, off)
        s.dirty.add(a)

    def io(s):
        return None

    # -- sync: covers what was issued before it began
    def sync(s, label=None):
        if s.poison:
            raise Poison()
        if label is not None and "skip_" + label in s.m:
            return  # as if it were not in the program
        if label is not None:
            s.stat["sync_" + label] += 1
        f = s.f
        mk = f.mark()
        le = s.last
        ap = [e for e in s.entries if e.applied]
        vs = f.vsize
        pu = s.punching[:]
        s.nsync += 1
        yield
        if not f.commit(mk, s.rng):
            if "retry_fsync" in s.m:
                yield
                f.commit(mk, s.rng)
            else:
                s.poison = True
                raise Poison()
        if s.poison:
            raise Poison()
        if le is not None and (s.lastdur is None or le.seq > s.lastdur.seq):
            s.lastdur = le
            s.durTail = le.tail
        for e in ap:
            e.retired = True
        while s.entries and s.entries[0].retired:
            s.entries.popleft()
        s.durlen = vs if "ffo_cut" in s.m else min(vs, s.f.vsize)
        for u in pu:
            if u in s.punching:
                s.punching.remove(u)
                s.fz.add(u)

    def hdr(s, label=None, **k):
        cur, hs = current(s.f.vol)
        o = hs[cur]
        n = Hdr(o.seq + 1, o.fwg, o.dwg, o.lg)
        for x, y in k.items():
            setattr(n, x, y)
        s.f.write(H[1 - cur], [("H", n, i) for i in range(8)])
        yield
        if "hdr_nosync" not in s.m:
            yield from s.sync(label)

    def hdr2(s, label=None, **k):
        yield from s.hdr(label and label + "_a", **k)
        if "dwg_differ" in s.m and "dwg" in k:
            k["dwg"] = object()
        yield from s.hdr(label and label + "_b", **k)
        if "hdr_nosync" in s.m:
            yield from s.sync()

    def gate(s):
        if s.poison:
            raise Poison()
        while s.starting:
            yield (lambda: not s.starting or s.poison)
            if s.poison:
                raise Poison()
        if s.started:
            return
        s.starting = True
        try:
            yield from s.begin()
        finally:
            s.starting = False
        s.started = True

    def begin(s):
        if "no_first_sync" not in s.m:
            yield from s.sync("first")  # what a killed process left in the page cache
        if s.dirtylog:
            yield from s.recover()
            s.dirtylog = False
        nd = (
            object() if s.dwg1 is s.dwg0 else s.dwg1
        )  # one name for the session, however often it begins
        if "dwg_late" in s.m:
            yield from s.hdr2(fwg=object())
        elif "dwg_one" in s.m:
            s.dwg1 = nd
            yield from s.hdr(fwg=object(), dwg=nd)
        else:
            s.dwg1 = nd
            yield from s.hdr2("guid", fwg=object(), dwg=nd)
        yield from s.cut()

    def cut(s):
        f = s.f
        if f.dev:
            return
        if "no_cut" in s.m or "cut_late" in s.m:
            s.append = s.end
            return
        if "append_eof" in s.opt:
            s.append = max(s.end, (f.vsize + U - 1) // U)
        elif f.vsize != s.end * U:
            f.resize(s.end * U)  # durable by the sync of the empty entry in logstart
            if "ffo_cut" not in s.m and s.durlen is not None:
                s.durlen = min(s.durlen, f.vsize)
            yield

    def recover(s):
        f = s.f
        yield from s.hdr2(fwg=object())
        act = find_active(f.vol, s.v0.h.lg, s.m)
        for e in act:
            for a, t in e.writes:
                f.write(a, t)
                yield
        if f.vsize < act[-1].lfo:
            f.resize(act[-1].lfo)
            yield
        if "rec_zero_early" not in s.m:
            yield from s.sync()
        if "rec_cut_first" in s.m and not f.dev and f.vsize != s.end * U:
            f.resize(s.end * U)
            yield
        if "rec_one" in s.m:
            yield from s.hdr(lg=None)
        else:
            yield from s.hdr2(lg=None)

    def logstart(s):
        if s.retiring and "enospc_retire" not in s.m:  # at most one header still names the old log
            yield from s.hdr2(lg=None)
            s.retiring = False
        if s.begun is None or "enospc_newlog" in s.m:
            yield from s.beginlog()
        g = s.begun
        if "guid_first" in s.m:
            pass
        elif "log_nopair" in s.m:
            yield from s.hdr(lg=g)
        else:
            yield from s.hdr2("name", lg=g)
        s.logging = True
        for u in s.metafree:
            s.ready.append(u)  # entries of the old LogGuid can no longer be replayed
        s.metafree = []

    def beginlog(s):
        g = object()
        if "guid_first" in s.m:
            yield from s.hdr2(lg=g)
        s.g = g
        s.seq = s.rng.randrange(1, 50)
        s.head = 0
        s.entries.clear()
        s.last = s.lastdur = None
        s.durTail = 0
        e = s.mkent([])
        e.applied = True
        s.f.write(LOG, [("L", e, i) for i in range(8)])
        yield
        yield from s.sync("entry")
        s.begun = g

    def retire(s, label=None):
        # From here on nothing is added to it, even if only one header forgets it.
        s.begun = None
        s.retiring = True
        if "enospc_retire" not in s.m:
            s.logging = False
        yield from s.hdr2(label, lg=None)
        s.retiring = False
        s.logging = False

    def mkent(s, writes):
        e = Ent()
        e.start = s.head
        e.n = 1 + len(writes)
        s.seq += 1
        e.seq = s.seq
        e.g = s.g
        e.writes = writes
        e.applied = e.retired = False
        e.tail = s.entries[0].start if s.entries else e.start
        e.ffo = s.durlen if s.durlen is not None else 0
        if "ffo0" in s.m:
            e.ffo = 0
        if "ffo_cur" in s.m:
            e.ffo = s.f.vsize
        e.lfo = (
            s.lfo0
            if "lfo_frozen" in s.m
            else s.snap_lfo
            if hasattr(s, "snap_lfo")
            else s.append * U
        )
        s.head = (s.head + e.n) % LOGP
        s.entries.append(e)
        s.last = e
        return e

    def used(s):
        t = s.durTail
        if "memtail" in s.m:
            t = s.entries[0].start if s.entries else s.head
        return (s.head - t) % LOGP

    def append_ent(s, writes):
        before = (s.head, s.seq, s.last)
        e = s.mkent(writes)
        if s.f.full:  # the next one has the same place and number
            s.entries.pop()
            s.head, s.seq, s.last = before
            if "enospc_number" in s.m:
                s.seq += 1
            raise NoSpace()
        toks = [("L", e, i) for i in range(8 * e.n)]
        p = e.start
        i = 0
        while i < e.n:  # contiguous pieces
            k = min(e.n - i, LOGP - (p + i) % LOGP)
            s.f.write(LOG + ((p + i) % LOGP) * PG, toks[i * 8 : (i + k) * 8])
            i += k
        return e

    def apply(s, e):
        for a, t in e.writes:
            if "live_page" in s.m and a in s.pages:
                t = list(s.pages[a])
            if a in s.pages or "reuse_meta" not in s.m:
                s.f.write(a, t)
            yield
        e.applied = True
        if "tail_early" in s.m:
            e.retired = True
            while s.entries and s.entries[0].retired:
                s.entries.popleft()

    def order(s, pages):
        bm = sorted(a for a in pages if a >= FIRST * U)
        bt = sorted((a for a in pages if a < FIRST * U), reverse=True)
        return (
            bt[::-1] + bm
            if "bad_order" in s.m
            else bm + bt[::-1]
            if "asc_order" in s.m
            else bm + bt
        )

    def logpages(s, pages):
        if not s.logging:
            yield from s.logstart()
        o = s.order(pages)
        es = []
        maxe = s.opt.get("maxe", MAXE)
        reserve = 1 if "no_reserve" in s.m else 2
        for i in range(0, len(o), maxe):
            g = o[i : i + maxe]
            n = 1 + len(g)
            tries = 0
            if s.opt.get("restart"):
                if s.head + n > LOGP or (s.head == 0 and s.last is not None):
                    yield from s.sync()
                    for e in [x for x in s.entries if not x.applied]:
                        yield from s.apply(e)
                    yield from s.sync()
                    s.stat["restart"] += 1
                    yield from s.retire()
                    yield from s.logstart()
            else:
                while n > LOGP - s.used() - reserve:
                    tries += 1
                    if tries > 3:
                        raise Bad("LOG DEADLOCK")
                    s.stat["logfull"] += 1
                    if "memtail" not in s.m or es:
                        yield from s.sync()
                    for e in es:
                        if not e.applied:
                            yield from s.apply(e)
                    yield from s.sync()
                    if n > LOGP - s.used() - reserve:
                        if 1 > LOGP - s.used() - 1:
                            raise Bad("LOG DEADLOCK")
                        e = s.append_ent([])
                        e.applied = True
                        yield
                        yield from s.sync()
            e = s.append_ent([(a, pages[a]) for a in g])
            es.append(e)
            s.logged |= set(g)
            yield
        if len(es) > 1:
            s.stat["multientry"] += 1
        if "early_inplace" in s.m:
            for e in es:
                yield from s.apply(e)
        return es

    def doround(s):
        n0 = s.nsync
        if "sync_before_snap" in s.m and s.need:
            s.need = False
            yield from s.sync()
        k = s.round
        if "tear_snap" in s.m:
            pages = {}
            for a in sorted(s.dirty):
                pages[a] = list(s.pages[a]) if a in s.pages else None
                s.dirty.discard(a)
                yield
            pages = {a: t for a, t in pages.items() if t}
        else:
            pages = {a: list(s.pages[a]) for a in s.dirty}
            s.dirty.clear()
        s.round += 1
        need = s.need
        s.need = False
        frees = s.pf
        s.pf = []
        s.snap_lfo = s.append * U
        s.logged = set()
        try:
            if not pages:
                # Closing: what follows syncs before it builds on anything.
                if not (s.closing and s.logging and "close_sync" not in s.opt):
                    yield from s.sync("empty")
            else:
                if "sync_before_snap" in s.m:
                    need = False
                if need:
                    yield from s.sync("payload")
                elif s.opt.get("ahead") and s.append * U > (s.durlen or 0):
                    yield from s.sync()
                    s.stat["ahead_sync"] += 1
                yield from s.logpages(pages)
                yield from s.sync("commit")
                s.stat["rounds"] += 1
                s.stat["round_syncs"] += s.nsync - n0
        except NoSpace:
            # What it did not log is the next round's; what it logged stays logged.
            s.stat["enospc_rounds"] += 1
            if "enospc_forget" not in s.m:
                s.dirty |= {a for a in pages if a not in s.logged and a in s.pages}
            s.need = s.need or need
            if "enospc_frees" in s.m:
                s.ready += frees
            else:
                s.pf = frees + s.pf
            raise
        s.done = k
        if "free_early" not in s.m:
            s.ready += frees
        if "overlap_rounds" in s.m:
            s.leader = False
            yield
        try:
            for e in [x for x in s.entries if not x.applied] if s.logging else []:
                yield from s.apply(e)
        except NoSpace:
            pass  # what was flushed is durable; the next round, or the restart, does it
        yield from s.reap()

    def reap(s):
        r = s.ready
        s.ready = []
        for u in r:
            if s.pins[u] and "no_pins" not in s.m:
                s.ready.append(u)
                continue
            if u in s.pn:
                s.pn.discard(u)
                s.fz.add(u)
                continue
            if s.rng.random() < 0.5:
                s.f.punch(u * U, U)
                yield
                (s.fz.add(u) if "punch_unsynced" in s.m else s.punching.append(u))
            else:
                s.fd.add(u)

    def flush(s):
        if s.poison:
            raise Poison()
        if not s.started:
            if "lazy_flush" in s.m:
                return
            yield from s.sync()
            return  # even an unwritten image syncs (state left by a killed process)
        if "clean_bypass" in s.m and not s.dirty:
            yield from s.sync()
            return
        want = s.round
        if "late_join" in s.m and s.leader:
            want = s.round - 1
        while s.done < want:
            if s.poison:
                raise Poison()
            if s.leader:
                yield (lambda: not s.leader or s.done >= want or s.poison)
                continue
            s.leader = True
            try:
                yield from s.doround()
            finally:
                s.leader = False

    # -- space
    def alloc(s):
        r = s.rng.random()
        if s.fz and r < 0.5:
            u = s.fz.pop()
            return u, False
        if s.fd and r < 0.7:
            u = s.rng.choice(sorted(s.fd))
            s.fd.discard(u)
            return u, True
        if "cut_late" in s.m and not s.nofix and not s.f.dev:
            s.nofix = True
            if s.f.vsize != s.append * U:
                s.f.resize(s.append * U)
                s.durlen = min(s.durlen or 0, s.f.vsize)
                yield
        if s.append + 6 >= MAXU:
            s.poison = True
            raise Poison()
        u = s.append
        s.append += 1
        step = 3 if s.opt.get("ahead") else 0
        if s.f.vsize < s.append * U:
            s.f.resize((s.append + step) * U)
            yield
        return u, (s.f.dev and "dev_zero" not in s.m)

    def free(s, u):
        if "append_lower" in s.m and u == s.append - 1:
            s.append -= 1
            return
        if "free_early" in s.m:
            s.ready.append(u)
        s.pf.append(u) if "free_early" not in s.m else None

    def shared(s, b):
        L = s.locks[b]
        while L.x and not s.poison:
            yield (lambda: not L.x or s.poison)
        if s.poison:
            raise Poison()
        L.n += 1

    def excl(s, b, L=None):
        L = L or s.locks[b]
        while L.x or L.n:
            yield (lambda: not (L.x or L.n) or s.poison)
            if s.poison:
                raise Poison()
        L.x = True

    def bitpage(s, b):
        so = s.get(sidx(b // CR))[1] * U + (b % CR) * 4
        return so // PG * PG, so % PG

    def setbits(s, b, sec, define=False):
        a, o = s.bitpage(b)
        pg = s.pages[a]
        s.dirty.add(a)
        for j in range(4):
            m = 0 if define else (bits_of(pg[o + j]) or 0)
            for k in range(4):
                if j * 4 + k in sec:
                    m |= 1 << k
            pg[o + j] = ("m", m)

    def getbits(s, b):
        a, o = s.bitpage(b)
        pg = s.pages[a]
        return sum((bits_of(pg[o + j]) or 0) << (4 * j) for j in range(4))

    def put(s, b, off, i, vals):
        n = len(vals)
        h = s.rng.randrange(0, n)
        if h:
            s.f.write(off * U + i, vals[:h])
            yield
        s.f.write(off * U + i + h, vals[h:])
        yield

    def write(s, b, i, vals):
        """write (or zero: vals all 0) part of block b"""
        yield from s.gate()
        n = len(vals)
        sec = set(range(i, i + n))
        zero = not any(vals)
        while True:
            yield from s.shared(b)
            L = s.locks[b]
            st, off = s.bat(b)
            if st in (6, 7):
                try:
                    if zero and s.rng.random() < 0.5 and st == 6:
                        s.f.punch(off * U + i, n)
                        yield
                    else:
                        if not (
                            "zero_nobits" in s.m and zero and st == 7 and s.getbits(b) >> i & 1 == 0
                        ):
                            yield from s.put(b, off, i, vals)
                    if st == 7:
                        if not ("zero_nobits" in s.m and zero):
                            s.setbits(b, sec)
                            s.need = True
                        if s.getbits(b) == (1 << U) - 1 and s.rng.random() < 0.5:
                            s.setbat(pidx(b), 6, off)
                            s.need = True
                finally:
                    L.n -= 1
                break
            L.n -= 1
            if zero and (st in (1, 2, 3) or not s.child):
                break
            yield from s.excl(b)
            L = s.locks[b]
            if s.bat(b)[0] in (6, 7):
                L.x = False
                continue
            try:
                yield from s.allocwrite(b, i, vals, sec)
            finally:
                L.x = False
            break
        if "dwg_late" in s.m and s.dwg1 is s.dwg0:
            s.dwg1 = object()
            yield from s.hdr2(dwg=s.dwg1)

    def allocwrite(s, b, i, vals, sec):
        u, dirty = yield from s.alloc()
        try:
            yield from s.fillnew(b, i, vals, sec, u, dirty)
        except NoSpace:
            s.fd.add(u)
            raise  # it may hold anything

    def fillnew(s, b, i, vals, sec, u, dirty):
        st = s.bat(b)[0]
        n = len(vals)
        part = s.child and (st == 0 or ("resurface" in s.m)) and n < U
        if part:
            c = b // CR
            if s.get(sidx(c))[0] != 6:
                yield from s.excl(None, s.sblock[c])
                try:
                    yield from s.ensurebitmap(c)
                finally:
                    s.sblock[c].x = False
        if "publish_first" in s.m:
            s.publish(b, u, part, sec, dirty, st)
            yield
        if "publish_prepad" in s.m and not part and dirty:
            yield from s.put(b, u, i, vals)
            s.publish(b, u, part, sec, dirty, st)
            s.locks[b].x = False
            yield
        if not part and dirty:
            if i:
                s.f.write(u * U, [0] * i)
                yield
            if i + n < U:
                s.f.write(u * U + i + n, [0] * (U - i - n))
                yield
        if "publish_prepad" in s.m and not part and dirty:
            return
        yield from s.put(b, u, i, vals)
        if "late_dirty" in s.m:
            s.over[b] = (7 if part else 6, u)
            if not part:
                s.locks[b].x = False
                yield
                yield
                yield
            del s.over[b]
        if "publish_first" not in s.m:
            s.publish(b, u, part, sec, dirty, st)

    def ensurebitmap(s, c):
        if s.get(sidx(c))[0] == 6:
            return
        sbu, sd = yield from s.alloc()
        try:
            if sd and "sb_nozero" not in s.m:
                s.f.write(sbu * U, [0] * U)
                yield
                s.need = True
        except NoSpace:
            s.fd.add(sbu)
            raise
        for a in (sbu * U, sbu * U + PG):
            s.pages[a] = list(s.f.vol[a : a + PG])
        s.setbat(sidx(c), 6, sbu)

    def publish(s, b, u, part, sec, dirty, st):
        if part:
            s.setbits(b, sec, "stale_bits" not in s.m)
            s.setbat(pidx(b), 7, u)
        else:
            s.setbat(pidx(b), 6, u)
        if s.child and st == 0:
            s.need = s.need or ("one_sync_diff" not in s.m)
        elif dirty:
            s.need = s.need or ("one_sync_reuse" not in s.m)

    def trim(s, b, forget=False):
        yield from s.gate()
        yield from s.excl(b)
        st, off = s.bat(b)
        new = 0 if (forget or "trim_to_0" in s.m) else 2
        if st in (6, 7) and "free_stamp_race" in s.m:
            s.free(off)
            yield
        if "punch_now" in s.opt and st in (6, 7) and not forget:
            s.f.punch(off * U, U)
            s.pn.add(off)
        if st != new:
            s.setbat(pidx(b), new, 0)
        if st in (6, 7) and "free_stamp_race" not in s.m:
            s.free(off)
        yield
        try:
            # Bits belong to the old space. A full host only delays this: nobody else may have the block before.
            while st == 7 and new == 0 and "forget_noflush" not in s.m:
                try:
                    yield from s.flush()
                    break
                except NoSpace:
                    yield
        finally:
            s.locks[b].x = False

    def dropsb(s, c):
        """free the bitmap block of a chunk without state-7 blocks: in a round of its own"""
        yield from s.gate()
        bs = range(c * CR, c * CR + CR)
        for b in bs:
            yield from s.excl(b)
        ok = s.get(sidx(c))[0] == 6 and all(s.bat(b)[0] != 7 for b in bs)
        try:
            if ok and "dropsb_same_round" not in s.m:
                yield from s.flush()
        except NoSpace:
            for b in bs:
                s.locks[b].x = False
            raise
        if ok:
            u = s.get(sidx(c))[1]
            s.setbat(sidx(c), 0, 0)
            for a in (u * U, u * U + PG):
                s.pages.pop(a)
                s.dirty.discard(a)
            if "reuse_meta" in s.m:
                s.free(u)
            else:
                s.metafree.append(u)
            s.stat["dropsb"] += 1
        for b in bs:
            s.locks[b].x = False

    def read(s, b, i, n, out):
        st, off = s.bat(b)
        mask = s.getbits(b) if st == 7 else 0
        if off:
            s.pins[off] += 1
        for _ in range(s.rng.choice((1, 1, 3, 80))):
            yield
        for k in range(i, i + n):
            if st == 6 or (st == 7 and mask >> k & 1):
                out.append(s.f.vol[off * U + k])
            elif st == 7 or (st == 0 and s.child):
                out.append(-(b * U + k) - 1)
            else:
                out.append(0)
        if off:
            s.pins[off] -= 1

    def close(s):
        if not s.started:
            return
        s.closing = True
        yield from s.flush()
        if getattr(s, "cb", None) and not s.logging:
            s.cb()
        for e in [x for x in s.entries if not x.applied] if s.logging else []:
            yield from s.apply(e)
        if s.logging and "close_early" not in s.m:
            yield from s.sync("checkpoint")
            if getattr(s, "cb", None):
                s.cb()
        if s.logging:
            yield from (s.hdr(lg=None) if "close_one" in s.m else s.retire("retire"))
        used = {t[2] for a in (BAT, BAT + PG) for t in s.pages[a] if t and t[2]}
        e = max(used | {FIRST - 1}) + 1
        if not s.f.dev and s.f.vsize > e * U:
            s.f.resize(e * U)
            yield


# ---------------------------------------------------------------- driver
class Sim:
    def __init__(s, seed, mut=frozenset(), opt=None, maxstates=1 << 60):
        s.rng = random.Random(seed)
        s.seed = seed
        s.m = frozenset(mut)
        s.opt = dict(opt or {})
        s.states = 0
        s.viol = collections.Counter()
        s.first = {}
        s.q = collections.Counter()
        s.max = maxstates
        s.tok = 1
        s.full = {}
        s.t = 0
        s.stop = True
        s.opt.setdefault("stat", collections.Counter())
        r = s.rng
        s.child = r.random() < 0.5 if "child" not in s.opt else s.opt["child"]
        s.dev = r.random() < 0.12 if "dev" not in s.opt else s.opt["dev"]

    def bad(s, what):
        s.viol[what] += 1
        s.first.setdefault(what, (s.seed, s.states))

    def initial(s):
        r = s.rng
        arr = [0] * (MAXU * U)
        d = object()
        f = object()
        for k in (0, 1):
            h = Hdr(4 + k, f, d, None)
            for i in range(8):
                arr[H[k] + i] = ("H", h, i)
        u = FIRST + r.randrange(0, 3)
        for x in range(FIRST, u):
            for i in range(U):
                arr[x * U + i] = ("X", x, i)
        for b in range(NB):
            z = r.random()
            if z < 0.35:
                st = 6
                if s.child and r.random() < 0.5:
                    st = 7
                    c = b // CR
                    if not arr[BAT + sidx(c)]:
                        arr[BAT + sidx(c)] = ("b", 6, u)
                        u += 1
                    so = arr[BAT + sidx(c)][2] * U + (b % CR) * 4
                    for j in range(4):
                        arr[so + j] = ("m", r.randrange(16))
                arr[BAT + pidx(b)] = ("b", st, u)
                for i in range(U):
                    arr[u * U + i] = s.tok
                    s.tok += 1
                u += 1
            elif z < 0.5:
                arr[BAT + pidx(b)] = ("b", 2, 0)
        e = u + r.choice((0, 0, 4))
        for x in range(u * U, e * U):
            arr[x] = ("X", x)
        if s.dev:
            for x in range(u * U, MAXU * U):
                arr[x] = ("X", x)
            e = MAXU
        return F(arr, e * U, s.dev)

    # -- oracle
    def begin(s, b, i, vals):
        recs = []
        for k, v in enumerate(vals):
            r = [v, None]
            s.hist[b * U + i + k].append(r)
            s.full.setdefault(b * U + i + k, []).append(v)
            recs.append(r)
        s.allow = None
        return recs

    def finish(s, recs):
        s.t += 1
        for r in recs:
            r[1] = s.t

    def flushed(s, t0):
        for h in s.hist:
            for j in range(len(h) - 1, 0, -1):
                if h[j][1] is not None and h[j][1] <= t0:
                    del h[:j]
                    break
        s.allow = None

    def check_view(s, v, tag):
        c = contents(v)
        if s.allow is None:
            s.allow = [[r[0] for r in h] for h in s.hist]
        for x, (a, ok) in enumerate(zip(c, s.allow)):
            if a not in ok:
                k = "parent" if type(a) is int and a < 0 else "zero" if a == 0 else "old/foreign"
                raise Bad("content: " + k + " bytes")
        e = s.eng
        if v.h.dwg in s.dwgc:
            if s.dwgc[v.h.dwg] is not None and c != s.dwgc[v.h.dwg]:
                raise Bad("contents changed under the old DataWriteGuid")
        elif v.h.dwg is not e.dwg1:
            raise Bad("DataWriteGuid unknown")
        return c

    def check_either(s, arr, size, c):
        """What was read must still be there when one header is lost later, whichever it is. Headers that
        name the same log show the same."""
        a, b = headers(arr)
        if not a or not b or a.lg is b.lg:
            return
        s.opt["stat"]["either"] += 1
        for slot in H:
            left = arr[:]
            left[slot : slot + 8] = [("X", slot, i) for i in range(8)]
            if contents(view(left, size, s.m, s.child)) != c:
                raise Bad("contents depend on one header")

    def sample(s, k):
        f = s.f
        r = s.rng
        for _ in range(k):
            s.states += 1
            s.opt["stat"]["states"] += 1
            arr, size = f.crash(r)
            if r.random() < 0.06:
                a, b = headers(arr)
                if a and b:
                    hh = r.choice(H)
                    for i in range(8):
                        arr[hh + i] = ("X", i)
            try:
                v = view(arr[:], size, s.m, s.child)
                c = s.check_view(v, "ro")
                s.check_either(arr, size, c)
                if v.h.lg and r.random() < 0.25:
                    s.recover_check(arr, size, c, 0)
            except Bad as e:
                s.bad(str(e))
            if s.opt.get("qemu") and not s.child and not s.dev:
                s.q["states"] += 1
                try:
                    v = view(arr[:], size, s.m, False, qemu=True)
                    s.check_view(v, "qemu")
                    s.q["ok"] += 1
                except Bad as e:
                    s.q[str(e)] += 1

    def recover_check(s, arr, size, c, depth):
        """writable open + recovery on a copy, cut at every step with one random subset"""
        f = F(arr[:], size, s.dev)
        r = s.rng
        e = Eng(f, r, s.m, s.child, {"stat": collections.Counter()})

        def g():
            yield from e.sync()
            yield from e.recover()
            yield from e.cut()
            yield from e.sync()

        stop = r.random() < 0.5 and depth < 2
        n = 0
        for _ in g():
            n += 1
            s.states += 1
            s.opt["stat"]["recstates"] += 1
            a2, z2 = f.crash(r)
            v = view(a2[:], z2, s.m, s.child)
            c2 = contents(v)
            if c2 != c:
                raise Bad("recovery changed contents")
            if v.h.dwg not in s.dwgc and v.h.dwg is not s.eng.dwg1:
                raise Bad("DataWriteGuid unknown")
            s.check_either(a2, z2, c)
            if stop and r.random() < 0.2 and v.h.lg:
                s.recover_check(a2, z2, c, depth + 1)
                return
        v = view(f.dur[:], f.dsize, s.m, s.child)
        if contents(v) != c:
            raise Bad("recovery changed contents")

    # -- main loop
    def run(s, sessions=5, ops=26, k=4):
        try:
            s._run(sessions, ops, k)
        except Bad as e:
            s.bad("engine: " + str(e))
        return s

    def _run(s, sessions, ops, k):
        r = s.rng
        s.f = s.initial()
        s.waskill = False
        for ses in range(sessions):
            try:
                s.eng = Eng(s.f, r, s.m, s.child, s.opt)
            except Bad as e:
                s.bad("open: " + str(e))
                return
            if ses == 0 or not s.waskill:
                s.hist = [[[x, 0]] for x in s.eng.c0]
                s.allow = None
            else:
                s.t += 1
                for h, x in zip(s.hist, s.eng.c0):
                    if all(x != q[0] for q in h):
                        s.bad("reopen after kill: wrong bytes")
                        return
                    h.append([x, s.t])
                s.allow = None
            if not s.waskill:
                inh = {h.dwg for h in headers(s.f.vol) if h}
                od = getattr(s, "dwgc", {})
                s.dwgc = {d: od[d] for d in od if d in inh and od[d] in (None, s.eng.c0)}
                s.dwgc[s.eng.dwg0] = s.eng.c0
            else:
                s.dwgc.setdefault(s.eng.dwg0, None)
            s.session(ops, k)
            if s.viol and s.stop:
                return
            if (
                s.f.lost or r.random() < 0.55
            ):  # after a failed writeback the page cache lies: only a power cut is modelled
                arr, size = s.f.crash(r)
                s.f = F(arr, size, s.dev)
                s.waskill = False
                try:
                    v = view(arr[:], size, s.m, s.child)
                    s.check_either(arr, size, s.check_view(v, "x"))
                except Bad as e:
                    s.bad(str(e))
                    return
            else:
                s.waskill = True  # process killed (or closed and reopened); page cache lives on

    def session(s, ops, k):
        r = s.rng
        e = s.eng
        tasks = []
        busy = {}
        todo = ops
        s.t += 1
        closing = False
        depth = r.randrange(1, 6)
        failat = r.randrange(5, 150) if r.random() < 0.15 else -1
        killat = r.randrange(10, 260) if r.random() < 0.6 else 1 << 30
        pf = r.choice((0.15, 0.3, 0.5))
        small = s.opt.get("small", r.random() < 0.3)
        step = 0
        fullat = r.randrange(3, 150) if r.random() < s.opt.get("pfull", 0) else -1
        fullfor = r.randrange(3, 80)
        s.f.full = False

        def wtask(b, i, vals):
            recs = s.begin(b, i, vals)
            try:
                yield from e.write(b, i, vals)
                s.finish(recs)
            finally:
                del busy[(b, i, i + len(vals))]

        def ttask(b, forget):
            vals = [-(b * U + i) - 1 for i in range(U)] if forget else [0] * U
            recs = s.begin(b, 0, vals)
            try:
                yield from e.trim(b, forget)
                s.finish(recs)
            finally:
                del busy[(b, 0, U)]

        def ftask():
            s.t += 1
            t0 = s.t
            yield
            yield from e.flush()
            s.flushed(t0)

        def rtask(b, i, n):
            base = []
            for x in range(b * U + i, b * U + i + n):
                h = s.hist[x]
                j = max([q for q in range(len(h)) if h[q][1] is not None] or [0])
                base.append({q[0] for q in h[j:]})
            out = []
            n0 = [len(s.full.get(x, ())) for x in range(b * U + i, b * U + i + n)]
            yield from e.read(b, i, n, out)
            for q, x in enumerate(range(b * U + i, b * U + i + n)):
                if out[q] not in base[q] and out[q] not in s.full.get(x, [])[n0[q] :]:
                    s.bad("live read: wrong bytes")

        def new():
            z = r.random()
            if z < pf:
                return ftask()
            b = r.randrange(NB) if not small else r.randrange(4)
            if z > s.opt.get("pd", 0.95) and s.child:
                if any(kk[0] // CR == b // CR for kk in busy):
                    return None
                return e.dropsb(b // CR)
            if z > s.opt.get("pr", 0.9):
                i = r.randrange(U)
                return rtask(b, i, r.randrange(1, U - i + 1))
            if z > s.opt.get("pt", 0.78):
                if any(kk[0] == b for kk in busy):
                    return None
                busy[(b, 0, U)] = 1
                return ttask(b, s.child and r.random() < s.opt.get("pforget", 0.35))
            if r.random() < 0.25:
                i, n = 0, U
            else:
                i = r.randrange(U)
                n = r.randrange(1, U - i + 1)
            if any(kk[0] == b and kk[1] < i + n and kk[2] > i for kk in busy):
                return None
            if r.random() < 0.2:
                vals = [0] * n
            else:
                vals = list(range(s.tok, s.tok + n))
                s.tok += n
            busy[(b, i, i + n)] = 1
            return wtask(b, i, vals)

        def mix(g):
            try:
                yield from g
            except (Poison, NoSpace):
                pass

        while True:
            while len(tasks) < depth and todo > 0 and not e.poison:
                g = new()
                todo -= 1
                if g:
                    tasks.append([mix(g), None])
            if not tasks:
                if closing or e.poison:
                    return "poison" if e.poison else "closed"
                closing = True
                s.t += 1
                t0 = s.t
                e.cb = lambda: s.flushed(t0)
                if r.random() < 0.5:
                    tasks.append([mix(e.close()), None])
                else:
                    return "killed"
            rn = [t for t in tasks if t[1] is None or t[1]()]
            if not rn:
                if e.poison:
                    return "poison"
                raise Bad("deadlock")
            t = r.choice(rn)
            step += 1
            if step == failat:
                s.f.failnext = True
            if step == fullat:
                s.f.full = True
            if step == fullat + fullfor:
                s.f.full = False
            if step == killat:
                return "killed"
            try:
                t[1] = next(t[0])
            except StopIteration:
                tasks.remove(t)
            s.sample(k if r.random() < 0.5 else 0)
            if s.viol and s.stop:
                return "viol"


def campaign(seed0, n, mut=(), opt=None, stopfirst=True, limit=None, k=4):
    V = collections.Counter()
    st = 0
    Q = collections.Counter()
    S = collections.Counter()
    runs = 0
    first = {}
    for i in range(n):
        s = Sim(seed0 + i, mut, opt)
        s.opt["stat"] = S
        s.run(k=k)
        st += s.states
        runs += 1
        for x, y in s.viol.items():
            V[x] += 1
            first.setdefault(x, s.first.get(x))
        Q.update(s.q)
        if limit and st >= limit:
            break
        if V and stopfirst and mut:
            break
    return V, st, runs, Q, S, first


if __name__ == "__main__":
    t = time.time()
    mut = [x for x in sys.argv[2].split(",") if x] if len(sys.argv) > 2 else []
    V, st, runs, Q, S, first = campaign(
        int(sys.argv[3]) if len(sys.argv) > 3 else 0, int(sys.argv[1]), mut, stopfirst=False
    )
    print(dict(V), "states", st, "runs", runs, "%.1fs" % (time.time() - t))
    print(dict(S))
    print(first)
