"""Where the scripts of the bench work: the built programs, a folder for inputs and targets, and how
far it is, on a terminal."""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from inputs import Inputs, Programs
from protocol import Failed, Protocol
from rows import Bench

ROOT = Path(__file__).resolve().parent.parent


def add_arguments(parser):
    """What every script of the bench takes."""
    parser.add_argument("--rounds", type=int, default=15, help="of each side (15)")
    parser.add_argument("--dir", type=Path, help="work folder, kept (a new one, removed at the end)")
    parser.add_argument("--release-dir", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def say(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def workspace(script, arguments, seconds=Protocol.seconds):
    """A Bench, as the arguments have it; what fails in it ends the script with one sentence."""
    programs = Programs(arguments.release_dir)
    if programs.missing():
        sys.exit(f"{script}: not built: {', '.join(map(str, programs.missing()))}")
    if arguments.dir:
        arguments.dir.mkdir(parents=True, exist_ok=True)
        folder = arguments.dir
    else:
        folder = Path(tempfile.mkdtemp(prefix="bench-", dir=arguments.release_dir.parent))
    try:
        yield Bench(Inputs(folder, programs, say), programs,
                    Protocol(arguments.rounds, seconds), say)
        say("")
    except Failed as failure:
        sys.exit(f"{script}: {failure}")
    finally:
        if not arguments.dir:
            shutil.rmtree(folder, ignore_errors=True)
