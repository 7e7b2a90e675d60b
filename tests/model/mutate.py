#!/usr/bin/env python3
"""Leaves out one rule of the write path at a time, and says what breaks.

    mutate.py RUNS SECONDS [base | mut | m2 | m3 | enospc | NAME,...]

At most RUNS runs and SECONDS for each."""
import collections
import sys
import time
from multiprocessing import Pool

import sim

M = [  # (mutations, options, description)
    ("", {}, "baseline: the corrected design"),
    ("", {"child": False}, "baseline, base disk"),
    ("", {"child": True}, "baseline, child"),
    ("", {"dev": True}, "baseline, block device (growth not zero)"),
    ("", {"append_eof": 1}, "baseline, append past old EOF instead of cutting"),
    (
        "",
        {"punch_now": 1},
        "baseline, hole punched at trim time, space known zero once that round is durable",
    ),
    ("", {"restart": 1}, "baseline, log restarted with new LogGuid instead of wrapping"),
    ("", {"ahead": 1}, "baseline, growth ahead in steps and synced before use"),
    ("early_inplace", {}, "T1 in place before the entry is durable"),
    ("memtail", {}, "T2 free log space from the in-memory tail"),
    ("late_dirty", {}, "T3 mapping visible to other writers before it is in the dirty page"),
    ("publish_prepad", {}, "T4 published before padding"),
    ("no_cut", {}, "T5 no cut, space beyond last structure taken as zero"),
    ("lfo_frozen", {}, "T6 LastFileOffset frozen at open"),
    ("stale_bits", {"child": True}, "T7a bits of an earlier life kept on 0->7"),
    ("sb_nozero", {"child": True}, "T7b bitmap block in used space not zeroed"),
    ("dwg_differ", {}, "T8 headers with different DataWriteGuid"),
    ("resurface", {"child": True}, "T9 state 2 -> 7 on partial write"),
    ("zero_nobits", {"child": True}, "T9b partial zero in state 7 without setting bits"),
    ("trim_to_0", {"child": True}, "T9c whole-block trim in child to state 0"),
    ("retry_fsync", {}, "T10 failed fsync retried"),
    ("replay_all", {}, "T12a replay ignores Tail (engine otherwise correct)"),
    ("nocont", {}, "T12b replay without sequence continuity"),
    ("refuse_torn", {}, "T12c replay refuses torn last entry"),
    ("one_sync_diff", {"child": True}, "one sync for differencing data"),
    ("one_sync_reuse", {}, "one sync for reused dirty space"),
    ("dev_zero", {"dev": True}, "block device: growth believed zero"),
    ("publish_first", {}, "snapshot may contain a block whose payload is not written yet"),
    ("sync_before_snap", {}, "payload sync started before the snapshot is taken"),
    ("tear_snap", {}, "snapshot page by page, not atomic against publishing"),
    ("live_page", {}, "in-place write takes the live page, not the logged image"),
    ("tail_early", {}, "tail passes an entry applied but not synced"),
    ("overlap_rounds", {}, "next round starts while in-place writes of the last still run"),
    ("late_join", {}, "flush joins a round whose snapshot is already taken"),
    (
        "clean_bypass",
        {},
        "flush without dirty pages does its own sync, does not wait for the running round",
    ),
    ("free_early", {}, "space reused before the freeing entry is durable"),
    ("free_stamp_race", {}, "space put on the free list of a round before the page changed"),
    ("no_pins", {}, "reuse does not wait for readers"),
    ("punch_unsynced", {}, "punched hole believed zero before a sync"),
    ("append_lower", {}, "freed last block lowers the append pointer"),
    ("cut_late", {}, "cut not durable before the first entry of the session"),
    ("ffo_cur", {}, "FlushedFileOffset = current length"),
    (
        "ffo_cut",
        {},
        "FlushedFileOffset = last synced length, not lowered by the cut (DESIGN AS WRITTEN)",
    ),
    ("no_first_sync", {}, "no sync before the first header write of a session (DESIGN AS WRITTEN)"),
    ("forget_noflush", {"child": True}, "7->0->7 in one round"),
    ("asc_order", {}, "multi-entry flush: BAT pages ascending"),
    ("bad_order", {}, "multi-entry flush: BAT before bitmaps"),
    (
        "dropsb_same_round",
        {"child": True},
        "bitmap block freed in the round in which blocks leave state 7",
    ),
    ("reuse_meta", {"child": True}, "freed bitmap block reused while replayable entries target it"),
    ("no_reserve", {}, "no second sector kept for the tail-publishing entry"),
    ("hdr_nosync", {}, "both header slots written without a sync between"),
    ("guid_first", {}, "LogGuid in header before first entry"),
    ("log_nopair", {}, "LogGuid in one header only (plus loss of a slot)"),
    ("close_one", {}, "LogGuid zeroed in one header only at close, then cut"),
    ("close_early", {}, "close zeroes LogGuid before in-place writes are synced"),
    ("rec_one", {}, "recovery zeroes one header only, then cuts"),
    ("rec_zero_early", {}, "recovery zeroes LogGuid before replay is synced"),
    ("rec_cut_first", {}, "recovery cuts before LogGuid is zero"),
    ("dwg_late", {}, "DataWriteGuid after the first payload write"),
    ("dwg_one", {}, "DataWriteGuid in one header only"),
]
M2 = [
    ("sync_before_snap", {}, "payload sync started before the snapshot is taken"),
    ("live_page", {"maxe": 2}, "in-place write takes the live page, not the logged image"),
    ("punch_unsynced", {"pt": 0.55}, "punched hole believed zero before a sync"),
    ("no_pins", {"pt": 0.6, "pr": 0.8}, "reuse does not wait for readers"),
    ("asc_order", {"child": True, "maxe": 1}, "multi-entry flush: BAT pages ascending"),
    ("bad_order", {"child": True, "maxe": 1}, "multi-entry flush: BAT before bitmaps"),
    (
        "reuse_meta",
        {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5},
        "freed bitmap block reused while replayable entries target it",
    ),
    ("no_reserve", {}, "no second sector kept for the tail-publishing entry"),
    ("close_early", {}, "close zeroes LogGuid before in-place writes are synced"),
    (
        "cut_late",
        {},
        "cut not durable before the first entry of the session (file-size field correct)",
    ),
    ("lazy_flush", {}, "flush of an unwritten image does nothing"),
    (
        "forget_noflush",
        {"child": True, "maxe": 1, "pforget": 0.8, "pt": 0.6},
        "7->0->7 in one round",
    ),
    (
        "dropsb_same_round",
        {"child": True, "maxe": 1, "pd": 0.8, "pforget": 0.8, "pt": 0.5},
        "bitmap block freed in the round in which blocks leave state 7",
    ),
    (
        "replay_all",
        {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5},
        "T12a replay ignores Tail, engine keeps metadata space out of use in the session",
    ),
    (
        "sb_nozero",
        {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5},
        "T7b bitmap block in used space not zeroed",
    ),
    ("", {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5}, "baseline, many bitmap frees"),
    ("", {"child": True, "maxe": 1}, "baseline, one page an entry"),
]
M3 = [
    ("no_pins", {"pt": 0.6, "pr": 0.8}, "reuse does not wait for readers"),
    (
        "reuse_meta,replay_all",
        {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5},
        "reused bitmap block + a replayer that ignores Tail",
    ),
    ("close_early", {}, "close zeroes LogGuid before in-place writes are synced"),
    (
        "cut_late,ffo0",
        {},
        "cut issued after the session started logging (file-size field neutralised)",
    ),
    ("rec_zero_early,ffo0", {}, "recovery zeroes LogGuid before replay is synced"),
    ("tail_early", {}, "again at this log size"),
]
M4 = [
    ("", {"restart": 1, "ahead": 1, "pfull": 0.8}, "baseline, a host without space at times"),
    (
        "enospc_forget",
        {"restart": 1, "ahead": 1, "pfull": 0.8},
        "the pages of a commit that found no space are forgotten",
    ),
    (
        "enospc_number",
        {"restart": 1, "ahead": 1, "pfull": 0.8},
        "the number of an entry that was not written is used up",
    ),
    (
        "enospc_newlog",
        {"restart": 1, "ahead": 1, "pfull": 0.8},
        "a log that one header names already is begun anew",
    ),
    (
        "enospc_retire",
        {"restart": 1, "ahead": 1, "pfull": 0.95},
        "entries are added to a log that one header has forgotten",
    ),
    (
        "enospc_frees",
        {"restart": 1, "ahead": 1, "pfull": 0.9, "pt": 0.5},
        "space freed by a commit that failed is used again",
    ),
]


def job(a):
    i, (m, o, d), n, t = a
    t0 = time.time()
    V = collections.Counter()
    st = 0
    runs = 0
    first = None
    S = collections.Counter()
    while runs < n and time.time() - t0 < t:
        o2 = dict(o)
        o2["stat"] = S
        s = sim.Sim(
            70000 + runs * 7 + i * 1000003 if not m else 70000 + runs, m.split(",") if m else (), o2
        ).run()
        st += s.states
        runs += 1
        for x, y in s.viol.items():
            V[x] += 1
            first = first or (s.seed, x)
        if m and sum(V.values()) >= 3:
            break
    return m, o, d, V, st, runs, first, S


if __name__ == "__main__":
    n = int(sys.argv[1])
    t = float(sys.argv[2])
    sel = sys.argv[3] if len(sys.argv) > 3 else ""
    L = [
        x
        for x in (M2 if sel == "m2" else M3 if sel == "m3" else M4 if sel == "enospc" else M)
        if sel in ("m2", "m3", "enospc")
        or (
            not sel
            or (sel == "base" and not x[0])
            or (sel == "mut" and x[0])
            or x[0] in sel.split(",")
        )
    ]
    tot = 0
    with Pool(2) as p:
        for m, o, d, V, st, runs, first, S in p.imap(job, [(i, x, n, t) for i, x in enumerate(L)]):
            tot += st
            print(
                "%-18s %-20s %-7s runs=%-4d states=%-8d %s | %s"
                % (
                    m or "-",
                    {k: v for k, v in o.items()},
                    "CAUGHT" if V else "clean",
                    runs,
                    st,
                    dict(V) if V else "",
                    d,
                ),
                ("rounds %d syncs %d" % (S["rounds"], S["round_syncs"]) if not m else ""),
                flush=True,
            )
    print("total", tot)
