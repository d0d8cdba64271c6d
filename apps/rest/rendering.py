# SPDX-License-Identifier: Apache-2.0
"""Handovers as JSON. There may be a thousand of them, and the event loop that serves REST also runs the core."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from apps.rest.answers.handovers import Handover


class HandoverRenderer:
    """Validates and writes each view once. An ended handover's view stays the same object (controller.snapshot).

    `kept_max`: how many it keeps, with their views (some 10 KiB each). More than the controller remembers
    (`limits.handovers_remembered`) would be kept for nobody.
    """

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self._written: OrderedDict[str, tuple[dict[str, Any], bytes]] = OrderedDict()

    def one(self, view: dict[str, Any]) -> bytes:
        """The JSON of one handover."""
        kept = self._written.get(view["id"])
        if kept is not None and kept[0] is view:
            return kept[1]
        octets = Handover.model_validate(view).model_dump_json().encode()
        self._written[view["id"]] = (view, octets)
        self._written.move_to_end(view["id"])
        if len(self._written) > self._kept_max:
            self._written.popitem(last=False)
        return octets

    def page(self, views: Sequence[dict[str, Any]], total: int) -> bytes:
        """The JSON of a HandoverList."""
        return b'{"handovers":[%s],"total":%d}' % (b",".join(self.one(view) for view in views), total)
