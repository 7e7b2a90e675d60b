"""NBD servers on a Unix socket, and fio as their client."""

import contextlib
import json
import subprocess
import tempfile
import time
from pathlib import Path

from protocol import Failed, RateSide, Sample

START_SECONDS = 10


@contextlib.contextmanager
def served(argv_for_socket):
    """Runs a server; gives its URI. `argv_for_socket` makes the command from the socket's path."""
    # The path of a socket is short, wherever the work folder is.
    with tempfile.TemporaryDirectory(prefix="nbd-") as folder:
        socket = Path(folder) / "nbd.sock"
        with open(Path(folder) / "log", "w+b") as log:
            argv = [str(word) for word in argv_for_socket(socket)]
            server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                deadline = time.monotonic() + START_SECONDS
                while not socket.exists():
                    if server.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise Failed(f"{' '.join(argv)}: {log.read().decode().strip()}")
                    time.sleep(0.01)
                yield f"nbd+unix:///?socket={socket}"
            finally:
                server.terminate()
                server.wait()


class FioSide(RateSide):
    """fio's requests to a server: of 4 KiB, 16 at once, for so long, unless `options` say otherwise."""

    def __init__(self, name, uri, mode, seconds, options=()):
        """`mode` is fio's rw; without `seconds` it ends when all has been read or written once."""
        timed = ["--time_based", f"--runtime={int(seconds * 1000)}ms"] if seconds else []
        super().__init__(name, [
            "fio", "--name=requests", "--ioengine=nbd", f"--uri={uri}", f"--rw={mode}", "--bs=4k",
            "--iodepth=16", *timed, "--output-format=json", *options])
        self._kind = "write" if mode.endswith("write") else "read"

    def run(self):
        with tempfile.TemporaryDirectory(prefix="fio-") as folder:
            report = Path(folder) / "report.json"  # what it prints has other lines too
            done = subprocess.run([*self._argv, f"--output={report}"], capture_output=True,
                                  text=True, check=False, cwd=folder)
            if done.returncode != 0:
                raise Failed(f"{' '.join(self._argv)}: {done.stderr.strip()}")
            job = json.loads(report.read_text(encoding="utf-8"))["jobs"][0]
        return Sample(job[self._kind]["iops"])
