#!/usr/bin/python3
"""Sessions over one image in which QEMU and we take turns, closed or killed, against a model.

    session_lineages.py VHDX FOLDER SEED COUNT    COUNT images of 12 sessions each, from that seed on

VHDX is the command. Each session is a server, `vhdx serve` or qemu-nbd, and a client that writes,
zeroes, trims (ours only: QEMU ignores it) and flushes. It ends in an orderly way, or with SIGKILL
while requests are under way. The next session reads the whole disk first: every sector must have what
was written last or, if its server was killed after it, what the last flush left or any write since.
`vhdx check` must find no error. Exit status 1, the seed and a sentence if a disk holds anything else.
"""

import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import nbd

from control_writers import SECTOR, Failure, Server, pattern, run

MIB = 1 << 20
BLOCK = MIB
DISK = 6 * BLOCK
SESSIONS = 12
START_SECONDS = 10
MOST_SECTORS = 48  # of a request that is not a whole block
NO_ERROR = (0, 3)  # exit statuses of vhdx check: clean, warnings


class QemuServer:
    """qemu-nbd."""

    def __init__(self, folder, image):
        socket = folder / "qemu"
        socket.unlink(missing_ok=True)
        self.uri = f"nbd+unix:///?socket={socket}"
        self.process = subprocess.Popen(
            ["qemu-nbd", "-f", "vhdx", "-t", "-e", "4", "-k", socket, image],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip

    def connect(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            client = nbd.NBD()
            try:
                client.connect_uri(self.uri)
                return client
            except nbd.Error as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Failure(f"qemu-nbd does not serve: {error}") from error
                time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        if self.process.wait() != 0:
            raise Failure(f"qemu-nbd ended with {self.process.returncode}")

    def kill(self):
        self.process.kill()
        self.process.wait()


class Model:
    """What the disk may hold: `live` if its server goes on; after a kill, in the sectors of `unsettled`,
    one of those contents."""

    def __init__(self):
        self.live = bytearray(DISK)
        self.unsettled = {}

    def change(self, offset, contents):
        for at in range(offset, offset + len(contents), SECTOR):
            may_be = self.unsettled.setdefault(at, {bytes(self.live[at:at + SECTOR])})
            may_be.add(bytes(contents[at - offset:at - offset + SECTOR]))
        self.live[offset:offset + len(contents)] = contents

    def settle(self):
        self.unsettled.clear()

    def compare(self, contents, offset=0):
        expected = self.live[offset:offset + len(contents)]
        if contents == expected:
            return
        for at in range(0, len(contents), SECTOR):
            if contents[at:at + SECTOR] != expected[at:at + SECTOR]:
                raise Failure(f"wrong contents at {offset + at}")

    def observe(self, contents):
        """What is there after a kill, and from now on must stay."""
        for at, may_be in self.unsettled.items():
            found = bytes(contents[at:at + SECTOR])
            if found not in may_be:
                raise Failure(f"at {at} is none of the {len(may_be)} contents that may be there")
            self.live[at:at + SECTOR] = found
        self.settle()
        self.compare(contents)


class Lineage:
    def __init__(self, vhdx, folder, seed):
        self.vhdx = vhdx
        self.folder = folder
        self.image = folder / f"disk-{seed}.vhdx"
        self.random = random.Random(seed)
        self.model = Model()
        self.writes = 0
        fixed = ["--fixed"] if seed % 4 == 0 else []
        run(vhdx, "create", "-q", "--block-size", str(BLOCK), *fixed, self.image, str(DISK))

    def new_contents(self, sectors):
        """A value of its own for each sector."""
        first = self.writes + 1
        self.writes += sectors
        return b"".join(pattern(0, first + i) for i in range(sectors))

    def draw_range(self):
        """(offset, sectors): a whole block, or a few sectors, often across the border of two blocks."""
        block = self.random.randrange(DISK // BLOCK)
        drawn = self.random.random()
        if drawn < 0.1:
            return block * BLOCK, BLOCK // SECTOR
        sectors = self.random.randint(1, MOST_SECTORS)
        if drawn < 0.4 and block > 0:
            return block * BLOCK - self.random.randint(0, sectors) * SECTOR, sectors
        place = self.random.randrange(BLOCK // SECTOR - sectors)
        return block * BLOCK + place * SECTOR, sectors

    def step(self, client, is_ours):
        drawn = self.random.random()
        if drawn < 0.15:
            client.flush()
            self.model.settle()
            return
        offset, sectors = self.draw_range()
        length = sectors * SECTOR
        if drawn < 0.3:
            self.model.compare(client.pread(length, offset), offset)
        elif drawn < 0.5:
            self.model.change(offset, bytes(length))
            if is_ours and self.random.random() < 0.5:
                client.trim(length, offset)
            else:
                client.zero(length, offset)
        else:
            contents = self.new_contents(sectors)
            self.model.change(offset, contents)
            client.pwrite(contents, offset)

    def kill(self, server, client):
        """With writes under way."""
        buffers = []  # which libnbd reads meanwhile
        with suppress(nbd.Error):
            for _ in range(self.random.randint(0, 8)):
                offset, sectors = self.draw_range()
                contents = self.new_contents(sectors)
                self.model.change(offset, contents)
                buffers.append(nbd.Buffer.from_bytearray(bytearray(contents)))
                client.aio_pwrite(buffers[-1], offset)
            end = time.monotonic() + self.random.uniform(0, 0.003)
            while time.monotonic() < end:
                client.poll(1)
        server.kill()

    def run_session(self):
        is_ours = self.random.random() < 0.5
        server = (Server(self.vhdx, self.folder, self.image) if is_ours
                  else QemuServer(self.folder, self.image))
        try:
            client = server.connect()
            self.model.observe(client.pread(DISK, 0))
            for _ in range(self.random.randint(0, 40)):
                self.step(client, is_ours)
            if self.random.random() < 0.5:
                self.kill(server, client)
                return f"{'vhdx' if is_ours else 'QEMU'} killed"
            client.shutdown()
            server.stop()
            self.model.settle()
            return f"{'vhdx' if is_ours else 'QEMU'} closed"
        except BaseException:
            server.kill()
            raise

    def check(self):
        done = subprocess.run([self.vhdx, "check", self.image], capture_output=True, text=True,
                              check=False)
        if done.returncode not in NO_ERROR:
            raise Failure(f"vhdx check: {done.stdout}{done.stderr}")

    def live(self, tally):
        told = []
        try:
            for _ in range(SESSIONS):
                told.append(self.run_session())
                self.check()
        except (Failure, nbd.Error) as failure:
            raise Failure(f"after {', '.join(told) or 'nothing'}: {failure}") from failure
        for word in told:
            tally[word] = tally.get(word, 0) + 1
        self.image.unlink()


def main():
    vhdx, folder, first, count = sys.argv[1:]
    tally = {}
    for seed in range(int(first), int(first) + int(count)):
        try:
            Lineage(vhdx, Path(folder), seed).live(tally)
        except Failure as failure:
            sys.exit(f"session_lineages.py: seed {seed}: {failure}")
    print(f"{count} images; " + ", ".join(f"{word}: {n}" for word, n in sorted(tally.items())))


if __name__ == "__main__":
    main()
