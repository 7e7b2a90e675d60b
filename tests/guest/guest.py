"""The virtual machine: a Linux kernel under software emulation, on a disk behind an NBD socket."""

import queue
import signal
import subprocess
import threading
import time

from ledger import Failed

# Enough for a boot on a machine that is busy with other things; a boot takes about 5 s on an idle
# one.
SILENCE_SECONDS = 300


class Guest:
    """Boots at once. `folder` has vmlinuz and initramfs.gz; init says what the modes are."""

    def __init__(self, folder, socket, list_path, console_path, mode, seed):
        self.console_path = console_path
        command = [
            "qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-nodefaults",
            "-display", "none", "-no-reboot",
            "-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initramfs.gz"),
            "-append",
            f"console=ttyS0 quiet loglevel=4 panic=-1 GUEST_MODE={mode} GUEST_SEED={seed}",
            "-serial", f"file:{console_path}", "-serial", "stdio",
            "-blockdev",
            f"driver=nbd,node-name=disk,server.type=unix,server.path={socket},discard=unmap",
            # When the server dies the machine stops, as when the power goes: the guest never sees
            # an error that it could act upon.
            "-device", "virtio-blk-pci,drive=disk,write-cache=on,werror=stop,rerror=stop",
            "-blockdev", f"driver=file,node-name=list,filename={list_path},read-only=on",
            "-device", "virtio-blk-pci,drive=list",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def lines_until(self, deadline):
        """The guest's lines as they come, until the monotonic clock shows `deadline`."""
        while (rest := deadline - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=rest)
            except queue.Empty:
                return
            if line is None:
                raise Failed("the guest ended by itself")
            yield line

    def lines_through(self, word):
        """The guest's lines up to the one that begins with `word`."""
        for line in self.lines_until(time.monotonic() + SILENCE_SECONDS):
            yield line
            if line.split(" ")[0] == word:
                return
        raise Failed(f"the guest did not say {word} in {SILENCE_SECONDS} s")

    def kill(self):
        """Ends the machine at once; returns the lines that had not been read."""
        self._process.send_signal(signal.SIGKILL)
        return self._rest()

    def wait(self):
        """Waits for a guest that has said that it is done; returns the lines not yet read."""
        try:
            self._process.wait(SILENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed("the guest did not switch itself off") from None
        return self._rest()

    def kernel_errors(self):
        """What the kernel had to say that nobody wants to hear."""
        console = self.console_path.read_text(encoding="utf-8", errors="replace")
        signs = ("EXT4-fs error", "EXT4-fs warning", "I/O error", "Kernel panic", "BUG:")
        return [line for line in console.splitlines() if any(sign in line for sign in signs)]

    def _read(self):
        for line in self._process.stdout:
            if line.endswith("\n"):  # the last one may be cut by the kill
                self._lines.put(line.strip())
        self._lines.put(None)

    def _rest(self):
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get())
        return [line for line in lines if line is not None]
