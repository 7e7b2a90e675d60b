"""The servers whose disk the guest has. Each is started on a socket and killed without warning."""

import contextlib
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass

from ledger import Failed

START_SECONDS = 30
INTERRUPTED = 130  # how `vhdx` ends on SIGTERM
ACCEPTS_CONNECTIONS = "00010000"  # __SO_ACCEPTCON, as /proc/net/unix shows the flags


@dataclass
class Programs:
    """What is built here."""

    vhdx: str
    crash_plugin: str

    @classmethod
    def of_build(cls, folder):
        """Absolute: nbdkit takes a bare name for that of a plugin of its own."""
        folder = folder.resolve()
        return cls(str(folder / "bin/vhdx"), str(folder / "testing/nbdkit-crash-plugin.so"))


def write_noise(path, size_bytes):
    """Every second MiB of it; the others are holes."""
    step = 1 << 20
    noise = os.urandom(step)
    with open(path, "wb") as file:
        file.truncate(size_bytes)
        for offset in range(0, size_bytes, 2 * step):
            file.seek(offset)
            file.write(noise)


def kill_session(leader):
    """SIGKILL to every process of a session. Its leader comes last: the others may ask to be told
    when it dies, and would end in an orderly way."""
    processes = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    for pid in sorted(processes, key=lambda pid: pid == leader):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)


class Server:
    """Something that serves `image` as NBD on a Unix socket. Subclasses say what."""

    def __init__(self, programs, image, socket_path):
        self.programs = programs
        self.image = image
        self.socket_path = socket_path
        self._process = None
        self._lifeline = None  # a pipe whose other end every process of the server holds

    @property
    def uri(self):
        return f"nbd+unix:///?socket={self.socket_path}"

    def make_image(self, size_bytes):
        """Makes the disk, all zeros."""
        raise NotImplementedError

    def command(self):
        """What to start."""
        raise NotImplementedError

    def environment(self, seed):
        """What it finds there besides ours."""
        return {}

    def check(self):
        """Looks at the image as the kill left it, before anybody opens it; a short word on it."""
        return ""

    def start(self, seed=0):
        """Returns once the socket takes connections."""
        self.socket_path.unlink(missing_ok=True)
        self._lifeline, other_end = os.pipe()
        self._process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=os.environ | self.environment(seed),
            pass_fds=[other_end],
            # A session of its own, so that a kill reaches nbdkit behind `vhdx serve` as well.
            start_new_session=True,
        )
        os.close(other_end)
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            self._expect_running()
            if time.monotonic() > deadline:
                raise Failed(f"nothing listens on {self.socket_path} after {START_SECONDS} s")
            time.sleep(0.02)

    def kill(self):
        """SIGKILL, to all of it."""
        self._expect_running()
        kill_session(self._process.pid)
        self._await_end()

    def stop(self):
        """An orderly end, in which the disk is closed."""
        self._expect_running()
        self._process.terminate()
        status = self._await_end()
        if status not in (0, INTERRUPTED):
            raise Failed(f"the server ended with {status}")

    def abandon(self):
        """After a failure: nothing may be left running."""
        if self._process is not None and self._process.poll() is None:
            kill_session(self._process.pid)
            self._await_end()

    def _expect_running(self):
        if self._process.poll() is not None:
            raise Failed(f"the server had ended with {self._process.returncode}")

    def _await_end(self):
        """Returns the exit status once no process of the server is left to touch the image."""
        gone, _, _ = select.select([self._lifeline], [], [], START_SECONDS)
        if not gone:
            raise Failed("the server does not end")
        os.close(self._lifeline)
        return self._process.wait()

    def _listens(self):
        """Told by the kernel's list, for a connection made to try would be the server's first."""
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as sockets:
            entries = [line.split() for line in sockets]
        return any(
            entry[-1] == str(self.socket_path) and entry[3] == ACCEPTS_CONNECTIONS
            for entry in entries
        )


class RawServer(Server):
    """nbdkit's own plugin on a raw file: tries the test itself."""

    def make_image(self, size_bytes):
        with open(self.image, "wb") as file:
            file.truncate(size_bytes)

    def command(self):
        return ["nbdkit", "-f", "-U", str(self.socket_path), "file", str(self.image)]


class VhdxServer(Server):
    """`vhdx serve`."""

    differencing = False

    def make_image(self, size_bytes):
        """With small blocks, so that a short run allocates many of them; a differencing one on a
        parent full of noise. Replaces what is there."""
        if not self.differencing:
            self.vhdx("create", "--force", "--block-size", "1M", self.image, size_bytes)
            return
        parent = self.image.with_name("parent")
        raw = self.image.with_name("noise")
        write_noise(raw, size_bytes)
        self.vhdx("convert", "--force", "--orphan-children", "--block-size", "1M",
                  "-f", "raw", "-O", "vhdx", raw, parent)  # fmt: skip
        raw.unlink()
        self.vhdx("create", "--force", "--parent", parent, self.image)

    def vhdx(self, *arguments):
        """Runs the command."""
        command = [self.programs.vhdx, *map(str, arguments), "-q"]
        if subprocess.run(command).returncode != 0:
            raise Failed(f"failed: {' '.join(command)}")

    def command(self):
        return [self.programs.vhdx, "serve", "--socket", str(self.socket_path), str(self.image)]

    def check(self):
        """Leaked space (status 3) is what a crash may leave."""
        status = subprocess.run([self.programs.vhdx, "check", "-q", str(self.image)]).returncode
        if status not in (0, 3):
            raise Failed(f"vhdx check ended with {status}")
        return ", check clean" if status == 0 else ", check found leaks"


class CrashServer(VhdxServer):
    """The nbdkit plugin on a file that loses writes that nobody synced (testing/lossy_file.h)."""

    ignore_syncs = False

    def command(self):
        return ["nbdkit", "-f", "-U", str(self.socket_path), self.programs.crash_plugin,
                f"file={self.image}"]  # fmt: skip

    def environment(self, seed):
        ignore_syncs = "1" if self.ignore_syncs else "0"
        return {"VHDXKIT_CRASH_SEED": str(seed), "VHDXKIT_IGNORE_SYNCS": ignore_syncs}

    def kill(self):
        """The plugin makes the file what it would be after a power cut, and then kills itself."""
        self._expect_running()
        self._process.send_signal(signal.SIGUSR1)
        status = self._await_end()
        if status != -signal.SIGKILL:
            raise Failed(f"the server ended with {status} instead of crashing")
