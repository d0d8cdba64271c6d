# SPDX-License-Identifier: Apache-2.0
"""The host side in MLDv1 mode (RFC 2710 sections 4 and 5, RFC 3810 section 8.2.1): whole groups, one report each."""

from __future__ import annotations

from collections.abc import Callable

from southbound.codec.addresses import IpAddress
from southbound.mld.effects import HostEffect, SendOlderDone, SendOlderReport
from southbound.mld.parameters import MldParameters


class Version1Host:
    """What is still to be reported of which group. It lives as long as the querier of the older version is heard."""

    def __init__(self, random_delay: Callable[[float], float], parameters: MldParameters) -> None:
        self._random_delay = random_delay
        self._parameters = parameters
        self._groups: set[IpAddress] = set()
        self._due: dict[IpAddress, float] = {}
        """When the next Report of a group goes: the answer to a query, or a repetition of the first one."""
        self._repeats: dict[IpAddress, int] = {}
        self._heard_last: set[IpAddress] = set()
        """Groups that somebody else reported after us: on leaving one nothing is said (RFC 2710 section 4)."""

    def listens(self, groups: set[IpAddress]) -> None:
        """What is listened to when the mode begins: said when the querier asks."""
        self._groups = set(groups)

    def change(self, groups: set[IpAddress], now: float) -> list[HostEffect]:
        """These are listened to now."""
        effects: list[HostEffect] = []
        for group in sorted(self._groups - groups):
            self._due.pop(group, None)
            self._repeats.pop(group, None)
            if group not in self._heard_last:
                effects.append(SendOlderDone(group=group))
            self._heard_last.discard(group)
        for group in sorted(groups - self._groups):
            self._repeats[group] = self._parameters.robustness
            effects += self._report(group, now)
        self._groups = set(groups)
        return effects

    def on_query(self, group: IpAddress | None, max_response_s: float, now: float) -> None:
        """Asked for one group, or (None) for all: each is answered after a delay of its own."""
        asked = self._groups if group is None else self._groups & {group}
        for each in sorted(asked):
            at = now + self._random_delay(max_response_s)
            self._due[each] = min(self._due.get(each, at), at)

    def on_report(self, group: IpAddress) -> None:
        """Somebody else on the link listens to it, too: our own answer is not needed."""
        if group in self._groups:
            self._due.pop(group, None)
            self._repeats.pop(group, None)
            self._heard_last.add(group)

    def tick(self, now: float) -> list[HostEffect]:
        """Reports whose time has come."""
        due = sorted(group for group, at in self._due.items() if at <= now)
        return [effect for group in due for effect in self._report(group, now)]

    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""
        return min(self._due.values(), default=None)

    def _report(self, group: IpAddress, now: float) -> list[HostEffect]:
        left = self._repeats.pop(group, 1) - 1
        self._due.pop(group, None)
        if left > 0:
            self._repeats[group] = left
            self._due[group] = now + self._random_delay(self._parameters.unsolicited_report_interval_s)
        self._heard_last.discard(group)
        return [SendOlderReport(group=group)]
