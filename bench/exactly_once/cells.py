# SPDX-License-Identifier: Apache-2.0
"""What has to be shown, cell by cell. Data only.

A cell is one lab with one stream, in which the same mobile nodes move back and forth between the first two MAGs of the
topology. Its handovers fall into parts, which are judged each by itself: a path that is slower on the way there is
faster on the way back, and a mobile node does not always leave at the very moment that was aimed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class LeaveAt(Enum):
    """What the mobile nodes wait for before they leave."""

    FORWARDING = "forwarding"
    """REST says that the clone works, as `castover handover --wait` does."""
    CLONED = "cloned"
    """The p-MAG's switch has confirmed the clone, the earliest moment at which nothing may be lost."""
    REQUEST = "request"
    """Nothing but the request for the handover."""


class Parts(Enum):
    """By what the handovers of a cell are told apart."""

    ALL = "all"
    PATHS = "paths"
    """Whether the native path to the new MAG is the slower or the faster one."""
    NEIGHBOURS = "neighbours"
    """Whether somebody listens at the new MAG already."""
    LEFT = "left"
    """How far the handover was when the mobile node left."""


class Promise(Enum):
    """What has to come out of a part."""

    ZEROS = "nothing lost, doubled or reordered"
    RATIO = "nothing lost; doubled and reordered less than 1 in 10,000"
    BOUNDED = "lost: at most what was sent between leaving and the confirmed clone; nothing doubled or reordered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One lab and what happens in it."""

    name: str
    section: str
    """Heading of its table."""
    title: str
    handovers: int
    """Of each mobile node that moves."""
    dialect: str = "draft"
    gap_ms: float = 50.0
    """How long the mobile node is without a link."""
    rate_pps: float = 1000.0
    size: int = 200
    """Octets of UDP payload."""
    second_mag_ms: float = 0.0
    """One-way delay between the LMA and the second MAG; the first MAG is next door."""
    mags_ms: float = 0.0
    """One-way delay between the MAGs."""
    movers: int = 1
    stayers: int = 0
    """Mobile nodes that listen to the same group at the first MAG and stay there."""
    leave_at: LeaveAt = LeaveAt.FORWARDING
    leave_after_ms: float = 0.0
    """So long after what `leave_at` says."""
    parts: Parts = Parts.ALL
    promise: Promise = Promise.ZEROS
    counts_copies: bool = False
    """Whether the captures are searched for packets that went through one tunnel twice."""
    memory: bool = False
    """Whether the memory of the controller and the agents is read meanwhile."""


PATHS, GAPS, LEAVING, FAST, TOGETHER, MEMORY = (
    "The native path against the tunnel's", "Time without a link", "The moment of leaving", "10,000 packets/s",
    "Eight mobile nodes together", "Memory",
)
DIALECTS = ("draft", "rfc")

_APART_MS = 20.0
"""MAGs are so far apart where the moment of leaving matters: next door the exchange lasts 6 ms, too short to aim at."""


def _paths(dialect: str) -> list[Cell]:
    return [
        Cell(
            name=f"paths-0-{dialect}", section=PATHS, title="both paths equally long", handovers=200, dialect=dialect,
        ),
        *(
            Cell(
                name=f"paths-{delay:g}-{dialect}", section=PATHS, title=f"{delay:g} ms from the LMA to one MAG",
                handovers=400, dialect=dialect, second_mag_ms=delay, parts=Parts.PATHS,
            )
            for delay in (5.0, 20.0)
        ),
        Cell(
            name=f"apart-20-{dialect}", section=PATHS, title="MAGs 20 ms apart: native path 20 ms faster", handovers=100,
            dialect=dialect, mags_ms=20.0,
        ),
    ]


CELLS: tuple[Cell, ...] = (
    *(cell for dialect in DIALECTS for cell in _paths(dialect)),
    *(
        Cell(name=f"gap-{gap:g}", section=GAPS, title=f"{gap:g} ms", handovers=50, gap_ms=gap)
        for gap in (0.0, 10.0, 50.0, 200.0, 1000.0)
    ),
    *(
        Cell(
            name=name, section=LEAVING, title=title, handovers=50, mags_ms=_APART_MS, leave_at=LeaveAt.REQUEST,
            leave_after_ms=after_ms, parts=Parts.LEFT,
        )
        for name, title, after_ms in (
            ("leave-before-hack", "10 ms after the request", 10.0),
            ("leave-before-hi-f", "24 ms after the request", 24.0),
            ("leave-before-clone", "35 ms after the request", 35.0),
        )
    ),
    Cell(
        name="leave-at-clone", section=LEAVING, title="as soon as the clone is confirmed", handovers=50,
        leave_at=LeaveAt.CLONED, parts=Parts.LEFT,
    ),
    Cell(
        name="leave-late", section=LEAVING, title="3 s after the clone was seen", handovers=20, leave_after_ms=3000.0,
        parts=Parts.LEFT,
    ),
    Cell(
        name="fast", section=FAST, title="200 octets", handovers=50, rate_pps=10_000.0, promise=Promise.RATIO,
    ),
    Cell(
        name="together", section=TOGETHER, title="same group", handovers=40, movers=8, stayers=2,
        parts=Parts.NEIGHBOURS, counts_copies=True,
    ),
    Cell(name="memory", section=MEMORY, title="one mobile node, back and forth", handovers=1000, memory=True),
)
"""In the order in which they are measured."""
