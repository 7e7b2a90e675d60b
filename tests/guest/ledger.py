"""What the guest says it has synced, and so what must be on the disk when it boots again."""

from dataclasses import dataclass, field


class Failed(Exception):
    """The test failed; the message says how."""


@dataclass
class Versions:
    """Of one file: its sectors, the version last synced and the last one begun."""

    sectors: int
    oldest: int
    newest: int


@dataclass
class Ledger:
    """The format of the lines, and of the list for the next boot, is in guest_files.cc."""

    files: dict = field(default_factory=dict)
    gone: list = field(default_factory=list)
    unlinking: set = field(default_factory=set)
    synced: int = 0  # reports of SYNCED and REMOVED so far

    def hear(self, line):
        """One line of the guest."""
        word, *rest = line.split(" ")
        if word == "SYNCED":
            name, sectors, version = rest
            self.files[name] = Versions(int(sectors), int(version), int(version))
            self.synced += 1
        elif word == "BEGIN":
            name, _, version = rest
            self.files[name].newest = int(version)
        elif word == "UNLINK":
            self.unlinking.add(rest[0])
        elif word == "REMOVED":
            self._forget(rest[0])
            self.gone.append(rest[0])
            self.synced += 1
        elif word == "CHECKED":
            files, gone, _ = rest
            if (int(files), int(gone)) != (len(self.files), len(self.gone)):
                raise Failed(f"the guest looked at other files than it should: {line}")
        elif word in ("FAILED", "BROKEN"):
            raise Failed(line)

    def rewriting(self):
        """How many files are in the middle of a rewrite."""
        return sum(versions.oldest != versions.newest for versions in self.files.values())

    def close_books(self):
        """The power is gone. Where a removal had begun, both outcomes are right: the guest's
        next check throws away such a file if it is still there."""
        for name in list(self.unlinking):
            self._forget(name)

    def write_list(self, path):
        """For the guest's second disk, which is made of sectors."""
        lines = [
            f"file {name} {versions.sectors} {versions.oldest} {versions.newest}\n"
            for name, versions in self.files.items()
        ] + [f"gone {name}\n" for name in self.gone]
        text = "".join(lines)
        path.write_text(text + "\n" * (512 - len(text) % 512), encoding="ascii")

    def _forget(self, name):
        self.unlinking.discard(name)
        self.files.pop(name, None)
