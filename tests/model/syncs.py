#!/usr/bin/env python3
"""Leaves out one sync of a session at a time, and says what breaks in the model.

    syncs.py [RUNS]

RUNS (400) is the most runs for one sync; each ends at the first broken promise. The exit status is 1 if
a sync that is thought to be needed is not, or the other way round. docs/crash-consistency.md, section 10,
has the reasons."""
import sys
import time

import sim

ENGINE = {"restart": 1, "ahead": 1}
# Label in engine.py, when, and whether something breaks without it.
SYNCS = [
    ("first", "before the first header of the session", True),
    ("guid_a", "after the first header with the new GUIDs", True),
    ("guid_b", "after the second one", True),
    ("entry", "after the first log entry", True),
    ("name_a", "after the first header that names the log", True),
    ("name_b", "after the second one", True),
    ("payload", "of payload, where it must come before the entry", True),
    ("commit", "of the group commit", True),
    ("empty", "of a flush that has no page to log", True),
    ("checkpoint", "after the checkpoint, at close", True),
    ("retire_a", "after the first header without a log", True),
    ("retire_b", "after the second one, before the file is cut", True),
]


def main():
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    good = True
    print(f"{'sync':<11} {'needed':<7} {'states':>8}  what breaks without it")
    for label, when, needed in SYNCS:
        start = time.monotonic()
        broken, states, _, _, _, _ = sim.campaign(1, most, ("skip_" + label,), dict(ENGINE))
        good = good and bool(broken) == needed
        what = ", ".join(sorted(broken)) or "nothing"
        wrong = "" if bool(broken) == needed else "  <- NOT AS EXPECTED"
        print(f"{label:<11} {'yes' if needed else 'no':<7} {states:>8}  {what}: {when}{wrong}"
              f" ({time.monotonic() - start:.0f} s)", flush=True)
    print("syncs: as expected" if good else "syncs: FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
