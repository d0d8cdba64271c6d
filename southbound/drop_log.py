# SPDX-License-Identifier: Apache-2.0
"""Which dropped packets become a line in the log: a peer that floods must not fill the disk with our words.

The first drop of a reason is a line. Those that follow are summed up, one line a reason each `period_s`; a reason that
has been quiet for one period is new again. Every drop is counted elsewhere; here only the lines are rationed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

PERIOD_S = 10.0
REASONS_MAX = 256
"""Reasons told apart at a time. Reasons come from the code; the cap is for a code that forgets that."""
OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropSummary:
    """What one reason has come to since the last line about it."""

    reason: str
    dropped: int
    since: float
    """On the caller's clock: when the last line about this reason was due."""

    def fields(self, wall_offset: float) -> dict[str, str | int]:
        """The fields of the fact to log; `wall_offset` is the wall clock (seconds since 1970) less the caller's clock."""
        since = datetime.fromtimestamp(self.since + wall_offset, UTC).isoformat(timespec="milliseconds")
        return {"reason": self.reason, "dropped": self.dropped, "since": since}


@dataclass(slots=True)
class _Window:
    since: float
    dropped: int = 0


class DropLog:
    """Of one log. `drop` says whether this drop is to be a line itself, `tick` what the others have come to."""

    def __init__(self, period_s: float = PERIOD_S, reasons_max: int = REASONS_MAX) -> None:
        self._period_s = period_s
        self._reasons_max = reasons_max
        self._windows: dict[str, _Window] = {}

    def drop(self, reason: str, now: float) -> bool:
        """One more drop; True when it is the first of its reason, and to be logged."""
        if reason not in self._windows and len(self._windows) >= self._reasons_max:
            reason = OTHERS
        window = self._windows.get(reason)
        if window is None:
            self._windows[reason] = _Window(since=now)
            return True
        window.dropped += 1
        return False

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return min((window.since + self._period_s for window in self._windows.values()), default=None)

    def tick(self, now: float) -> list[DropSummary]:
        """The summaries that are due, one a reason."""
        due = [item for item in self._windows.items() if item[1].since + self._period_s <= now]
        summaries = []
        for reason, window in due:
            if window.dropped == 0:
                del self._windows[reason]
                continue
            summaries.append(DropSummary(reason=reason, dropped=window.dropped, since=window.since))
            window.since, window.dropped = now, 0
        return summaries

    def rest(self) -> list[DropSummary]:
        """What has not been told yet, for the end of the process. Forgets everything."""
        windows, self._windows = self._windows, {}
        return [
            DropSummary(reason=reason, dropped=window.dropped, since=window.since)
            for reason, window in windows.items()
            if window.dropped
        ]
