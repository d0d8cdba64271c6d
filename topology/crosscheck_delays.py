# SPDX-License-Identifier: Apache-2.0
"""Cross-checks of the delays in `links`: a new MAG joins two paths, and waits for the slower one only for so long; the LMA
refuses a PBU that is older than TimestampValidityWindow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from topology import derive
from topology.problem import Location, show_location
from topology.refer import known_mags
from topology.schema import Document
from topology.unique import Report

_KEY: Location = ("timers", "path_difference_ms")
_WINDOW_KEY: Location = ("timers", "timestamp_validity_window_ms")


@dataclass(frozen=True, slots=True)
class _Delay:
    """What one link adds to every packet that takes it."""

    position: int
    ms: float


@dataclass(frozen=True, slots=True)
class _Way:
    """The links that a packet takes, one after the other; those of a node that forwards twice."""

    delays: tuple[_Delay, ...]

    @property
    def ms(self) -> float:
        return sum(delay.ms for delay in self.delays)

    def of(self, delay: _Delay) -> float:
        """What one link adds to the whole."""
        return self.delays.count(delay) * delay.ms

    def __str__(self) -> str:
        names = dict.fromkeys(show_location(("links", delay.position)) for delay in self.delays if delay.ms)
        return f"{self.ms:.15g} ms" + (f" ({', '.join(names)})" if names else "")


def check_path_difference(document: Document, report: Report) -> None:
    """The way from the LMA to a new MAG against that by a previous one, for every two: at most `path_difference_ms`.

    One fault for each link to blame, with the two ways that it sets apart most.
    """
    mags = known_mags(document, report)
    lma = document.lma.id if document.lma is not None else None
    if mags is None or lma is None or report.refused(_KEY, ("links",)):
        return
    limit = derive.timers(document).path_difference_ms
    delays = _delays(document)
    worst: dict[int, tuple[float, str]] = {}
    for previous in mags:
        for new in mags:
            native, tunnel = _way(delays, lma, new), _way(delays, lma, previous, new)
            difference = abs(native.ms - tunnel.ms)
            if previous == new or difference <= limit:
                continue
            slower, faster = (native, tunnel) if native.ms > tunnel.ms else (tunnel, native)
            blamed = max(slower.delays, key=lambda delay: slower.of(delay) - faster.of(delay))
            if difference > worst.get(blamed.position, (0.0, ""))[0]:
                said = f"{blamed.ms:.15g}: {lma} to {new} takes {native}, by way of {previous} {tunnel}"
                worst[blamed.position] = difference, said
    for position, (_, said) in worst.items():
        allowed = f"ways that differ by at most {show_location(_KEY)}, {limit}"
        report(("links", position, "delay_ms"), said, allowed)


def check_registration_delay(document: Document, report: Report) -> None:
    """A PBU that is ordered by its timestamp arrives within `timestamp_validity_window_ms` (RFC 5213 section 5.5).

    Else the LMA refuses every PBU of that MAG, for as long as the domain is up. One fault for each link to blame.
    """
    lma = document.lma.id if document.lma is not None else None
    domain_order = document.domain.binding_order if document.domain is not None else None
    if lma is None or report.refused(_WINDOW_KEY, ("links",)):
        return
    limit = derive.timers(document).timestamp_validity_window_ms
    delays = _delays(document)
    blamed: set[int] = set()
    for mag in document.mags or ():
        order = mag.binding_order or domain_order or derive.BINDING_ORDER
        if mag.id is None or order != derive.BINDING_ORDER:
            continue
        way = _way(delays, mag.id, lma)
        if way.ms < limit:
            continue
        delay = max(way.delays, key=way.of)
        if delay.position not in blamed:
            blamed.add(delay.position)
            allowed = f"a way that is shorter than {show_location(_WINDOW_KEY)}, {limit}"
            report(("links", delay.position, "delay_ms"), f"{delay.ms:.15g}: {mag.id} to {lma} takes {way}", allowed)


def _delays(document: Document) -> dict[frozenset[str], _Delay]:
    """By the one node or the two nodes that a link names; those with a fault are passed over."""
    delays: dict[frozenset[str], _Delay] = {}
    for position, link in enumerate(document.links or ()):
        names = [link.node] if link.node is not None else link.between or []
        nodes = frozenset(name for name in names if name is not None)
        if link.delay_ms and len(nodes) == len(names):
            delays.setdefault(nodes, _Delay(position, link.delay_ms))
    return delays


def _way(delays: dict[frozenset[str], _Delay], *nodes: str) -> _Way:
    steps: list[frozenset[str]] = []
    for one, other in pairwise(nodes):
        steps += [frozenset((one,)), frozenset((one, other)), frozenset((other,))]
    return _Way(tuple(delays[step] for step in steps if step in delays))
