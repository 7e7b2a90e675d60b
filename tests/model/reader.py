"""Reading: headers, the log and its replay, the rules of the BAT, contents."""
from geometry import BAT, Bad, CR, FIRST, H, LOG, LOGP, NB, PG, U


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
    """QEMU's search: whole run, chosen by first entry's number, Tail ignored, first-to-second jump accepted"""
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
