# SPDX-License-Identifier: Apache-2.0
"""Why a PBU is refused: what the checks of a registration raise, and `registration.judge` answers with."""

from __future__ import annotations

from southbound.codec.iana import BindingStatus


class Refusal(Exception):  # noqa: N818 - carries a status, is no error of ours
    """One failed check. It never leaves `judge`."""

    def __init__(
        self, status: BindingStatus, detail: str, *, timestamp: float | None = None, sequence: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.timestamp = timestamp
        """The LMA's own time, for 156 and 157 (RFC 5213 section 5.5)."""
        self.sequence = sequence
        """The last number accepted, for 135 (RFC 6275 section 9.5.1)."""
