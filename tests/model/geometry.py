"""Where things are in the miniature disk, what its headers and log entries hold, and how things fail. Units:
a sector has 512 bytes, a page 8 sectors (4 KiB), and a unit 16 sectors: a payload block, a sector bitmap
block, and what stands for 1 MiB."""
import os

PG = 8
U = 16
NB = 12
CR = 4
NV = NB * U
LOGP = int(os.environ.get("LOGP", "12"))
LOG = U
LOGU = LOGP * PG // U
BATU = 1 + LOGU
BAT = BATU * U
FIRST = BATU + 1
MAXU = 72
MAXE = 3
H = (0, 8)


def pidx(b):
    return b + b // CR


def sidx(c):
    return (c + 1) * CR + c


class Bad(Exception):
    pass


class Poison(Exception):
    pass


class NoSpace(Exception):
    pass


class Hdr:
    __slots__ = ("seq", "fwg", "dwg", "lg")

    def __init__(s, seq, fwg, dwg, lg):
        s.seq, s.fwg, s.dwg, s.lg = seq, fwg, dwg, lg


class Ent:
    __slots__ = ("start", "n", "seq", "g", "tail", "ffo", "lfo", "writes", "checkpointed", "retired")
