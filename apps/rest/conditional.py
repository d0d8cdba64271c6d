# SPDX-License-Identifier: Apache-2.0
"""Conditional requests (RFC 9110 section 13.1.2), and pictures of the core with a revision for each of their parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from apps.rest.routing import Call
from controller.snapshot import Snapshot

_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
PARTS = ("handovers", "bindings", "mags", "listeners", "switches")
"""Fields of `controller.snapshot.Snapshot` that resources show."""


def matches(if_none_match: str, tag: str) -> bool:
    """Whether a list of entity tags has this one, by weak comparison (RFC 9110 section 8.8.3.2)."""
    return tag in _ENTITY_TAG.findall(if_none_match)


class SnapshotSource(Protocol):
    """What a picture is taken of."""

    @property
    def version(self) -> int:
        """Grows with everything that may have changed the core."""

    def snapshot(self) -> Snapshot:
        """An immutable picture of the core."""


class Pictures:
    """Pictures of the core, taken anew only when something has happened, and what of them has changed since.

    The revision of a part names its content: it is given anew when the part is not equal to that of the picture before.
    So nobody who changes the core has to think of it, and a question that comes again costs one comparison.
    """

    def __init__(self, source: SnapshotSource, run_id: str) -> None:
        self._source = source
        self._run_id = run_id
        self._version = -1
        self._snapshot: Snapshot | None = None
        self._revisions = dict.fromkeys(PARTS, 0)

    def current(self) -> Snapshot:
        """The picture of this moment."""
        version = self._source.version
        if self._snapshot is None or version != self._version:
            fresh = self._source.snapshot()
            for part in PARTS:
                if self._snapshot is None or getattr(fresh, part) != getattr(self._snapshot, part):
                    self._revisions[part] += 1
            self._version, self._snapshot = version, fresh
        return self._snapshot

    def revision_of(self, *parts: str) -> Callable[[Call], str]:
        """A function for `Route.revision`: names what these parts are now."""
        return lambda _: self._revision(parts)

    def _revision(self, parts: tuple[str, ...]) -> str:
        self.current()
        numbers = "".join(f"-{part[0]}{self._revisions[part]}" for part in parts)
        return f"{self._run_id}{numbers}"


class Revised:
    """A revision of one more thing: grows when it is not what it was when it was last asked for."""

    def __init__(self, look: Callable[[], Any], run_id: str) -> None:
        self._look = look
        self._run_id = run_id
        self._seen: Any = None
        self._number = 0

    def __call__(self, _: Call) -> str:
        """For `Route.revision`."""
        found = self._look()
        if self._number == 0 or found != self._seen:
            self._seen, self._number = found, self._number + 1
        return f"{self._run_id}-{self._number}"
