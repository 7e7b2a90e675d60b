#!/usr/bin/env python3
"""Runs of the write path, and a checker that cuts the power at every step of them; README.md says what they show.

    sim.py RUNS [MUTATION,...] [SEED]"""
import collections
import random
import sys
import time

from geometry import BAT, Bad, CR, FIRST, H, Hdr, MAXU, NB, NoSpace, Poison, U, pidx, sidx
from host import F
from reader import contents, headers, view
from engine import Eng


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
