"""The servers whose disk the guest has. Each is started on a socket and killed without warning."""

import os
import signal
import subprocess
import time

from ledger import Failed

START_SECONDS = 30
ACCEPTS_CONNECTIONS = "00010000"  # __SO_ACCEPTCON, as /proc/net/unix shows the flags


class Server:
    """Something that serves `image` as NBD on a Unix socket. Subclasses say what."""

    def __init__(self, programs, image, socket_path):
        self.programs = programs
        self.image = image
        self.socket_path = socket_path
        self._process = None

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

    def start(self, seed):
        """Returns once the socket takes connections."""
        self.socket_path.unlink(missing_ok=True)
        # A group of its own, so that kill reaches nbdkit behind `vhdx serve` as well.
        self._process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            env=os.environ | self.environment(seed),
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None:
                raise Failed(f"the server ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                raise Failed(f"nothing listens on {self.socket_path} after {START_SECONDS} s")
            time.sleep(0.02)

    def kill(self):
        """SIGKILL, to all of it."""
        if self._process.poll() is not None:
            raise Failed(f"the server had ended with {self._process.returncode}")
        self._signal(signal.SIGKILL)
        self._process.wait()

    def stop(self):
        """An orderly end, in which the disk is closed."""
        self._signal(signal.SIGTERM)
        try:
            status = self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed("the server did not end on SIGTERM") from None
        if status not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
            raise Failed(f"the server ended with {status}")

    def abandon(self):
        """After a failure: nothing may be left running."""
        if self._process is not None and self._process.poll() is None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _signal(self, number):
        os.killpg(self._process.pid, number)

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

    def make_image(self, size_bytes):
        # Small blocks, so that a short run allocates many of them.
        subprocess.run(
            [self.programs.vhdx, "create", "-q", "--force", "--block-size", "1M",
             str(self.image), str(size_bytes)],
            check=True,
        )  # fmt: skip

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
        return {"VHDXKIT_CRASH_SEED": str(seed), "VHDXKIT_IGNORE_SYNCS": str(int(self.ignore_syncs))}

    def kill(self):
        """The plugin makes the file what it would be after a power cut, and then kills itself."""
        if self._process.poll() is not None:
            raise Failed(f"the server had ended with {self._process.returncode}")
        self._process.send_signal(signal.SIGUSR1)
        status = self._process.wait()
        if status != -signal.SIGKILL:
            raise Failed(f"the server ended with {status} instead of crashing")
