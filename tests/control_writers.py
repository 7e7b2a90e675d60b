#!/usr/bin/python3
"""Clients that know what each image has to hold, for control_test.cc.

    control_writers.py snapshots VHDX FOLDER COUNT   COUNT snapshots while three clients write
    control_writers.py kill VHDX FOLDER COUNT        the server is killed COUNT times during a snapshot

VHDX is the command, and FOLDER has the image disk.vhdx, all zeros. Both serve it, take snapshots with
`vhdx ctl`, and compare what comes out of `vhdx convert` with what was written. Exit status 1, and a
sentence, if an image holds anything else.
"""

import itertools
import json
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nbd

SECTOR = 512
STRIDE = 64 << 10  # from one sector that is written to the next
WRITERS = 3


def pattern(writer, number):
    """The contents of a sector after that write."""
    return struct.pack("<QQ", writer + 1, number) * (SECTOR // 16)


class Failure(Exception):
    """An image holds what it must not, or a command failed."""


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{words} ended with {done.returncode}: {done.stderr}")
    return done.stdout


class Server:
    """`vhdx serve` with a control socket."""

    def __init__(self, vhdx, folder, image):
        self.vhdx = vhdx
        self.control = folder / "control"
        self.process = subprocess.Popen(
            [vhdx, "serve", "--json", image, "--socket", folder / "nbd", "--control", self.control],
            stdout=subprocess.PIPE, text=True)
        lines = list(itertools.takewhile(lambda line: line != "}\n", self.process.stdout))
        if not lines:
            raise Failure(f"{image} is not served")
        document = json.loads("".join(lines) + "}")
        self.uri, self.nbdkit = document["uri"], document["pid"]

    def start_snapshot(self, child):
        return subprocess.Popen([self.vhdx, "ctl", self.control, "snapshot", child],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def snapshot(self, child):
        run(self.vhdx, "ctl", self.control, "snapshot", child)

    def stop(self):
        run(self.vhdx, "ctl", self.control, "stop")
        if self.process.wait() != 0:
            raise Failure(f"the server ended with {self.process.returncode}")

    def kill(self):
        os.kill(self.nbdkit, signal.SIGKILL)
        self.process.wait()

    def connect(self):
        client = nbd.NBD()
        client.connect_uri(self.uri)
        return client


@dataclass
class Write:
    begin: float
    end: float
    contents: bytes


class Writer(threading.Thread):
    """A client with sectors of its own; keeps when it wrote what."""

    def __init__(self, server, number):
        super().__init__()
        self.number = number
        self.client = server.connect()
        self.places = range(number * STRIDE, self.client.get_size() - STRIDE, WRITERS * STRIDE)
        self.history = {}  # by offset
        self.is_over = threading.Event()
        self.failure = None

    def run(self):
        choice = random.Random(self.number)
        try:
            for count in itertools.count(1):
                if self.is_over.is_set():
                    break
                offset = choice.choice(self.places)
                contents = pattern(self.number, count)
                writes = self.history.setdefault(offset, [])
                # Seen by others before it has an end, as by the server.
                writes.append(Write(time.monotonic(), float("inf"), contents))
                self.client.pwrite(contents, offset)
                writes[-1].end = time.monotonic()
                if count % 8 == 0:
                    self.client.flush()
            self.client.flush()
            self.client.shutdown()
        except nbd.Error as error:
            self.failure = error


def contents_of(vhdx, folder, image):
    raw = folder / "contents.raw"
    run(vhdx, "convert", "-q", "--force", image, raw)
    contents = raw.read_bytes()
    raw.unlink()
    return contents


def check_moment(contents, writers, begin, end, name):
    """The image holds what had been written at one moment between those two."""
    for writer in writers:
        for offset in writer.places:
            writes = list(writer.history.get(offset, []))
            before = [write.contents for write in writes if write.end <= begin]
            allowed = {before[-1] if before else bytes(SECTOR)}
            allowed |= {write.contents for write in writes if write.begin < end and write.end > begin}
            if contents[offset:offset + SECTOR] not in allowed:
                raise Failure(f"{name}: wrong contents at {offset}")


def snapshots(vhdx, folder, count):
    server = Server(vhdx, folder, folder / "disk.vhdx")
    writers = [Writer(server, number) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    moments = {}
    try:
        image = folder / "disk.vhdx"
        for number in range(count):
            time.sleep(0.1)
            child = folder / f"child-{number}.avhdx"
            begin = time.monotonic()
            server.snapshot(child)
            moments[image] = (begin, time.monotonic())
            # Others may read it from now on.
            check_moment(contents_of(vhdx, folder, image), writers, *moments[image], image)
            image = child
    finally:
        for writer in writers:
            writer.is_over.set()
            writer.join()
    if failures := [writer.failure for writer in writers if writer.failure]:
        raise Failure(f"a request failed: {failures}")
    server.stop()
    for parent, moment in moments.items():
        check_moment(contents_of(vhdx, folder, parent), writers, *moment, parent)
    now = time.monotonic()
    check_moment(contents_of(vhdx, folder, image), writers, now, now, image)
    run(vhdx, "check", image)
    writes = sum(len(history) for writer in writers for history in writer.history.values())
    print(f"{count} snapshots, {writes} writes")


def write_until_killed(server):
    """Writes beyond the sectors that are flushed, so that something is under way."""
    with suppress(nbd.Error):
        client = server.connect()
        for number in itertools.count():
            client.pwrite(pattern(WRITERS, number), STRIDE * (number % 64) + SECTOR)


def kill_once(server, child, delay):
    """Returns whether the snapshot was answered before that."""
    writer = threading.Thread(target=write_until_killed, args=(server,))
    writer.start()
    request = server.start_snapshot(child)
    time.sleep(delay)
    server.kill()
    writer.join()
    return request.wait() == 0


def kill(vhdx, folder, count):
    choice = random.Random(count)
    image = folder / "disk.vhdx"
    server = Server(vhdx, folder, image)
    child = folder / "child-0.avhdx"
    begin = time.monotonic()
    server.snapshot(child)
    longest = 1.2 * (time.monotonic() - begin)
    server.stop()
    image, flushed, made, answered = child, {}, 0, 0
    for number in range(1, count + 1):
        server = Server(vhdx, folder, image)
        client = server.connect()
        for _ in range(20):
            offset = STRIDE * choice.randrange(200)
            flushed[offset] = pattern(0, choice.getrandbits(60))
            client.pwrite(flushed[offset], offset)
        client.flush()
        child = folder / f"child-{number}.avhdx"
        was_answered = kill_once(server, child, choice.uniform(0, longest))
        answered += was_answered
        if child.exists():
            image, made = child, made + 1
        elif was_answered:
            raise Failure(f"{child} was made, and is not there")
        run(vhdx, "check", image)
        contents = contents_of(vhdx, folder, image)
        for offset, expected in flushed.items():
            if contents[offset:offset + SECTOR] != expected:
                raise Failure(f"{image}: flushed data is gone at {offset}")
    print(f"killed {count} times; a child was there after {made} of them, {answered} were answered")


def main():
    what, vhdx, folder, count = sys.argv[1:]
    {"snapshots": snapshots, "kill": kill}[what](vhdx, Path(folder), int(count))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"control_writers.py: {failure}")
