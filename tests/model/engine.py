"""The write path: session, log, commits, space, and the requests of a guest."""
import collections

from geometry import (
    BAT,
    Bad,
    CR,
    Ent,
    FIRST,
    H,
    Hdr,
    LOG,
    LOGP,
    MAXE,
    MAXU,
    NB,
    NoSpace,
    PG,
    Poison,
    U,
    pidx,
    sidx,
)
from reader import bits_of, contents, current, find_active, view


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
        s.left7 = set()  # entries that have left state 7 since the last snapshot
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
        s.stale = set(range(FIRST, s.end)) - used
        s.zeroed = set()
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
        s.commits = 0
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
        if s.get(i)[0] == 7 and st != 7:
            s.left7.add(i)
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
        ap = [e for e in s.entries if e.checkpointed]
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
                s.zeroed.add(u)

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
        # Each page once, as it is in the end: when this is tried again, on a host that was full, one header
        # may have forgotten the log, and no page may show an older entry.
        for a, t in {a: t for e in act for a, t in e.writes}.items():
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
        e.checkpointed = True
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
        e.checkpointed = e.retired = False
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

    def checkpoint(s, e):
        for a, t in e.writes:
            if "live_page" in s.m and a in s.pages:
                t = list(s.pages[a])
            if a in s.pages or "reuse_meta" not in s.m:
                s.f.write(a, t)
            yield
        e.checkpointed = True
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
                    for e in [x for x in s.entries if not x.checkpointed]:
                        yield from s.checkpoint(e)
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
                        if not e.checkpointed:
                            yield from s.checkpoint(e)
                    yield from s.sync()
                    if n > LOGP - s.used() - reserve:
                        if 1 > LOGP - s.used() - 1:
                            raise Bad("LOG DEADLOCK")
                        e = s.append_ent([])
                        e.checkpointed = True
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
                yield from s.checkpoint(e)
        return es

    def group_commit(s):
        n0 = s.nsync
        if "sync_before_snap" in s.m and s.need:
            s.need = False
            yield from s.sync()
        k = s.commits
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
        left7 = s.left7
        s.left7 = set()
        s.commits += 1
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
                s.stat["group_commits"] += 1
                s.stat["commit_syncs"] += s.nsync - n0
        except NoSpace:
            # What it did not log is left to the next group commit; what it logged stays logged.
            s.stat["enospc_commits"] += 1
            if "enospc_forget" not in s.m:
                s.dirty |= {a for a in pages if a not in s.logged and a in s.pages}
            s.need = s.need or need
            s.left7 |= left7
            if "enospc_frees" in s.m:
                s.ready += frees
            else:
                s.pf = frees + s.pf
            raise
        s.done = k
        if "free_early" not in s.m:
            s.ready += frees
        if "overlap_commits" in s.m:
            s.leader = False
            yield
        try:
            for e in [x for x in s.entries if not x.checkpointed] if s.logging else []:
                yield from s.checkpoint(e)
        except NoSpace:
            pass  # what was flushed is durable; the next group commit, or the restart, does it
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
                s.zeroed.add(u)
                continue
            if s.rng.random() < 0.5:
                s.f.punch(u * U, U)
                yield
                (s.zeroed.add(u) if "punch_unsynced" in s.m else s.punching.append(u))
            else:
                s.stale.add(u)

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
        want = s.commits
        if "late_join" in s.m and s.leader:
            want = s.commits - 1
        while s.done < want:
            if s.poison:
                raise Poison()
            if s.leader:
                yield (lambda: not s.leader or s.done >= want or s.poison)
                continue
            s.leader = True
            try:
                yield from s.group_commit()
            finally:
                s.leader = False

    # -- space
    def alloc(s):
        r = s.rng.random()
        if s.zeroed and r < 0.5:
            u = s.zeroed.pop()
            return u, False
        if s.stale and r < 0.7:
            u = s.rng.choice(sorted(s.stale))
            s.stale.discard(u)
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
        u, stale = yield from s.alloc()
        try:
            yield from s.fillnew(b, i, vals, sec, u, stale)
        except NoSpace:
            s.stale.add(u)
            raise  # it may hold anything

    def fillnew(s, b, i, vals, sec, u, stale):
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
        if "apply_first" in s.m:
            s.apply(b, u, part, sec, stale, st)
            yield
        if "apply_prepad" in s.m and not part and stale:
            yield from s.put(b, u, i, vals)
            s.apply(b, u, part, sec, stale, st)
            s.locks[b].x = False
            yield
        if not part and stale:
            if i:
                s.f.write(u * U, [0] * i)
                yield
            if i + n < U:
                s.f.write(u * U + i + n, [0] * (U - i - n))
                yield
        if "apply_prepad" in s.m and not part and stale:
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
        if "apply_first" not in s.m:
            s.apply(b, u, part, sec, stale, st)

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
            s.stale.add(sbu)
            raise
        for a in (sbu * U, sbu * U + PG):
            s.pages[a] = list(s.f.vol[a : a + PG])
        s.setbat(sidx(c), 6, sbu)

    def apply(s, b, u, part, sec, stale, st):
        if part:
            s.setbits(b, sec, "stale_bits" not in s.m)
            s.setbat(pidx(b), 7, u)
        else:
            s.setbat(pidx(b), 6, u)
        if s.child and st == 0:
            s.need = s.need or ("one_sync_diff" not in s.m)
        elif stale:
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
            while new == 0 and pidx(b) in s.left7 and "forget_noflush" not in s.m:
                try:
                    yield from s.flush()
                    break
                except NoSpace:
                    yield
        finally:
            s.locks[b].x = False

    def dropsb(s, c):
        """free the bitmap block of a chunk without state-7 blocks: in a group commit of its own"""
        yield from s.gate()
        bs = range(c * CR, c * CR + CR)
        for b in bs:
            yield from s.excl(b)
        ok = s.get(sidx(c))[0] == 6 and all(s.bat(b)[0] != 7 for b in bs)
        try:
            if ok and "dropsb_same_commit" not in s.m:
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
        for e in [x for x in s.entries if not x.checkpointed] if s.logging else []:
            yield from s.checkpoint(e)
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
