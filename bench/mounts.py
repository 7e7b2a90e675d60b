"""File systems with reflinks in loop devices, for rows that need one."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path


class Skipped(Exception):
    """A row that cannot be measured here, and why."""


MAKERS = {
    "xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"],
    "btrfs": ["mkfs.btrfs", "-q"],
}


def _run(argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skipped(f"{argv[0]}: {done.stderr.strip().splitlines()[-1] if done.stderr else '?'}")
    return done.stdout.strip()


@contextlib.contextmanager
def loop_mount(kind, size_bytes, work_folder):
    """Mounts a new file system of that kind; gives its folder, and takes all away at the end."""
    if os.geteuid() != 0:
        raise Skipped("mounting needs root")
    for tool in (MAKERS[kind][0], "losetup", "mount"):
        if shutil.which(tool) is None:
            raise Skipped(f"{tool} is not installed")
    container = Path(work_folder) / f"{kind}.img"
    folder = Path(work_folder) / f"{kind}.mnt"
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.callback(folder.rmdir)
        stack.callback(lambda: container.unlink(missing_ok=True))
        with open(container, "wb") as file:
            file.truncate(size_bytes)
        _run([*MAKERS[kind], container])
        # Direct, so that the host does not cache what the mounted file system caches already.
        device = _run(["losetup", "--find", "--show", "--direct-io=on", container])
        stack.callback(lambda: subprocess.run(["losetup", "--detach", device], check=False))
        _run(["mount", device, folder])
        stack.callback(lambda: subprocess.run(["umount", str(folder)], check=False))
        yield folder
