# SPDX-License-Identifier: Apache-2.0
"""The one cross-check that nearly everything needs: no two of these are the same, and who was first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from topology.locate import Fault, Located
from topology.problem import Location, show_location, show_value


class Report:
    """Collects the faults of the cross-checks and knows what was refused before them."""

    def __init__(self, located: Located, refused: Iterable[Location]) -> None:
        self.faults: list[Fault] = []
        self._located = located
        self._refused = frozenset(refused)

    def __call__(self, location: Location, found: str, allowed: str) -> None:
        line = self._located.line(location)
        self.faults.append(Fault(line=line, location=location, found=found, allowed=allowed))

    def refused(self, *locations: Location) -> bool:
        """Whether one of these has a fault already, so that its default or None must not be judged in its place."""
        return any(location in self._refused for location in locations)


def unique(
    entries: Iterable[tuple[Location, Hashable]],
    allowed: str,
    report: Report,
    *,
    show: Callable[..., str] = show_value,
) -> None:
    """Report every value that an earlier entry has; None is no value. `show` puts a value into words."""
    first: dict[Hashable, Location] = {}
    for location, value in entries:
        if value is None:
            continue
        if value in first:
            report(location, f"{show(value)}, already used by {owner_of(first[value])}", allowed)
        else:
            first[value] = location


def unique_items(location: Location, items: Iterable[Hashable] | None, report: Report) -> None:
    """Report every item of one list that stands in it before."""
    entries = [((*location, index), item) for index, item in enumerate(items or ())]
    unique(entries, "each entry once", report, show=str)


def owner_of(location: Location) -> str:
    """The node that a value belongs to, or the place itself where one node has several such values."""
    named = location[0] in ("mags", "mobile_nodes", "sources", "links") and len(location) == 3
    return show_location(location[:-1] if named else location)
