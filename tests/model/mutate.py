#!/usr/bin/env python3
"""Leaves out one rule of the write path at a time, and requires that the model sees it, or does not, as expected.

    mutate.py RUNS SEED [NAME,...]

At most RUNS runs for each mutation; it ends at the first broken promise. The same arguments give the same
runs. The exit status is 1 if a mutation that is expected to be caught is not, if one is caught that is
expected not to be, or if the design itself breaks a promise. The name of the design is "design"."""
import collections
import sys
import time
from multiprocessing import Pool

import sim

CAUGHT = ""
DESIGN = "nothing is left out"

# Mutations ("" is the design), options, CAUGHT or why it cannot be, and what the mutation is.
TABLE = [
    ("", {}, DESIGN, "the corrected design"),
    ("", {"child": False}, DESIGN, "base disk"),
    ("", {"child": True}, DESIGN, "child"),
    ("", {"dev": True}, DESIGN, "block device (growth not zeroed)"),
    ("", {"append_eof": 1}, DESIGN, "append past old EOF instead of cutting"),
    (
        "",
        {"punch_now": 1},
        DESIGN,
        "hole punched at trim time, space counts as zeroed once that group commit is durable",
    ),
    ("", {"restart": 1}, DESIGN, "log restarted as a new generation instead of wrapping"),
    ("", {"ahead": 1}, DESIGN, "growth ahead in steps and synced before use"),
    ("early_inplace", {}, CAUGHT, "checkpoint before the entry is durable"),
    ("memtail", {}, CAUGHT, "free log space from the in-memory tail"),
    ("late_dirty", {}, CAUGHT, "mapping visible to other writers before it is in the dirty page"),
    ("apply_prepad", {}, CAUGHT, "applied before padding"),
    ("no_cut", {}, CAUGHT, "no cut, space beyond last structure taken as zeroed"),
    ("lfo_frozen", {}, CAUGHT, "LastFileOffset frozen at open"),
    ("stale_bits", {"child": True}, CAUGHT, "bits of an earlier life kept on 0->7"),
    (
        "sb_nozero",
        {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5},
        "a block's bits are read in state 7 only, and what brings it there defines all of them",
        "bitmap block in used space not zeroed",
    ),
    ("dwg_differ", {}, CAUGHT, "headers with different DataWriteGuid"),
    ("resurface", {"child": True}, CAUGHT, "state 2 -> 7 on partial write"),
    ("zero_nobits", {"child": True}, CAUGHT, "partial zero in state 7 without setting bits"),
    ("trim_to_0", {"child": True}, CAUGHT, "whole-block trim in child to state 0"),
    ("retry_fsync", {}, CAUGHT, "failed fsync retried"),
    (
        "replay_all",
        {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5},
        "the sequence has every later entry, so the newest copy of a page is replayed last, and the space of metadata is not used again while the log lives",
        "replay ignores Tail (engine otherwise correct)",
    ),
    ("nocont", {}, CAUGHT, "replay without sequence continuity"),
    ("refuse_torn", {}, CAUGHT, "replay refuses torn last entry"),
    ("one_sync_diff", {"child": True}, CAUGHT, "one sync for differencing data"),
    ("one_sync_reuse", {}, CAUGHT, "one sync for reused stale space"),
    ("dev_zero", {"dev": True}, CAUGHT, "block device: growth believed zeroed"),
    ("apply_first", {}, CAUGHT, "snapshot may contain a block whose payload is not written yet"),
    ("sync_before_snap", {}, CAUGHT, "payload sync started before the snapshot is taken"),
    ("tear_snap", {}, CAUGHT, "snapshot page by page, not atomic against changes being applied"),
    ("live_page", {"maxe": 2}, CAUGHT, "checkpoint writes the live page, not the logged image"),
    ("tail_early", {}, CAUGHT, "tail passes an entry checkpointed but not synced"),
    ("overlap_commits", {}, CAUGHT, "next group commit starts while the checkpoint of the last still runs"),
    ("late_join", {}, CAUGHT, "flush joins a group commit whose snapshot is already taken"),
    (
        "clean_bypass",
        {},
        CAUGHT,
        "flush without dirty pages does its own sync, does not wait for the running group commit",
    ),
    ("free_early", {}, CAUGHT, "space reused before the freeing entry is durable"),
    (
        "free_stamp_race",
        {},
        CAUGHT,
        "space put on the free list of a group commit before the page changed",
    ),
    ("no_pins", {"pt": 0.6, "pr": 0.8}, CAUGHT, "reuse does not wait for readers"),
    ("punch_unsynced", {"pt": 0.55}, CAUGHT, "punched hole believed zeroed before a sync"),
    ("append_lower", {}, CAUGHT, "freed last block lowers the append pointer"),
    ("cut_late", {}, CAUGHT, "cut not durable before the first entry of the session"),
    ("ffo_cur", {}, CAUGHT, "FlushedFileOffset = current length"),
    ("ffo_cut", {}, CAUGHT, "FlushedFileOffset = last synced length, not lowered by the cut"),
    ("no_first_sync", {}, CAUGHT, "no sync before the first header write of a session"),
    (
        "forget_noflush",
        {"child": True, "maxe": 1, "pforget": 0.8, "pt": 0.6},
        CAUGHT,
        "7->0->7 in one group commit",
    ),
    ("asc_order", {}, CAUGHT, "multi-entry flush: BAT pages ascending"),
    ("bad_order", {"child": True, "maxe": 1}, CAUGHT, "multi-entry flush: BAT before bitmaps"),
    (
        "dropsb_same_commit",
        {"child": True, "maxe": 1, "pd": 0.8, "pforget": 0.8, "pt": 0.5},
        CAUGHT,
        "bitmap block freed in the group commit in which blocks leave state 7",
    ),
    (
        "reuse_meta",
        {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5},
        "pages are checkpointed after each commit, so the tail has passed the entries that write to the space before one points at its new use",
        "freed bitmap block reused while replayable entries target it",
    ),
    (
        "no_reserve",
        {"child": True, "maxe": 1},
        "the sync of a full log lets the tail pass all earlier commits, and one commit never fills the log",
        "no second sector kept for the entry that carries a new tail",
    ),
    ("hdr_nosync", {}, CAUGHT, "both header slots written without a sync between"),
    ("guid_first", {}, CAUGHT, "LogGuid in header before first entry"),
    ("log_nopair", {}, CAUGHT, "LogGuid in one header only (plus loss of a slot)"),
    ("close_one", {}, CAUGHT, "LogGuid zeroed in one header only at close, then cut"),
    ("close_early", {}, CAUGHT, "close zeroes LogGuid before the checkpoint is synced"),
    ("rec_one", {}, CAUGHT, "recovery zeroes one header only, then cuts"),
    ("rec_zero_early", {}, CAUGHT, "recovery zeroes LogGuid before replay is synced"),
    ("rec_cut_first", {}, CAUGHT, "recovery cuts before LogGuid is zero"),
    ("dwg_late", {}, CAUGHT, "DataWriteGuid after the first payload write"),
    ("dwg_one", {}, CAUGHT, "DataWriteGuid in one header only"),
    ("lazy_flush", {}, CAUGHT, "flush of an unwritten image does nothing"),
    ("", {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5}, DESIGN, "many bitmap frees"),
    ("", {"child": True, "maxe": 1}, DESIGN, "one page an entry"),
    (
        "reuse_meta,replay_all",
        {"child": True, "pd": 0.8, "pforget": 0.8, "pt": 0.5},
        CAUGHT,
        "reused bitmap block + a replayer that ignores Tail",
    ),
    (
        "cut_late,ffo0",
        {},
        CAUGHT,
        "cut issued after the session started logging (file-size field neutralised)",
    ),
    ("rec_zero_early,ffo0", {}, CAUGHT, "recovery zeroes LogGuid before replay is synced"),
    ("", {"restart": 1, "ahead": 1, "pfull": 0.8}, DESIGN, "a host without space at times"),
    (
        "enospc_forget",
        {"restart": 1, "ahead": 1, "pfull": 0.8},
        CAUGHT,
        "the pages of a commit that found no space are forgotten",
    ),
    (
        "enospc_number",
        {"restart": 1, "ahead": 1, "pfull": 0.8},
        CAUGHT,
        "the number of an entry that was not written is used up",
    ),
    (
        "enospc_newlog",
        {"restart": 1, "ahead": 1, "pfull": 0.8},
        CAUGHT,
        "a log that one header names already is begun anew",
    ),
    (
        "enospc_retire",
        {"restart": 1, "ahead": 1, "pfull": 0.95},
        "what was not logged is dirty again, so the next entry is as long, does not fit either, and the log is retired again before anything is added",
        "entries are added to a log that one header has forgotten",
    ),
    (
        "enospc_frees",
        {"restart": 1, "ahead": 1, "pfull": 0.9, "pt": 0.5},
        "freed space is released at the end of a commit that succeeded only, and that one has logged the pages put back",
        "space freed by a commit that failed is used again",
    ),
]


def job(arguments):
    (mutations, options, _, _), most, seed = arguments
    names = tuple(mutations.split(",")) if mutations else ()
    broken = collections.Counter()
    states = runs = 0
    while runs < most and not broken:
        run = sim.Sim(seed + runs, names, dict(options)).run()
        runs += 1
        states += run.states
        broken.update(run.viol)
    return broken, states, runs


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    most, seed = int(sys.argv[1]), int(sys.argv[2])
    chosen = sys.argv[3].split(",") if len(sys.argv) > 3 else []
    table = [row for row in TABLE
             if not chosen or (row[0] or "design") in chosen or set(row[0].split(",")) & set(chosen)]
    if not table:
        sys.exit("mutate.py: no mutation has such a name")
    start = time.monotonic()
    total = failed = 0
    with Pool(2) as pool:
        answers = pool.imap(job, [(row, most, seed) for row in table])
        for (mutations, options, reason, meaning), (broken, states, runs) in zip(table, answers):
            total += states
            good = bool(broken) == (reason == CAUGHT)
            failed += not good
            answer = f"caught: {', '.join(sorted(broken))}" if broken else "not caught"
            print(f"{mutations or 'design'} {options or ''}: {answer}, {runs} runs, {states} states: {meaning}"
                  f"{'' if good else '  <- NOT AS EXPECTED'}", flush=True)
            if good and mutations and reason:
                print(f"    {reason}")
    print(f"rules: {len(table)} tried in {total} states, "
          f"{f'{failed} NOT AS EXPECTED' if failed else 'all as expected'}, in {time.monotonic() - start:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
