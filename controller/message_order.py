# SPDX-License-Identifier: Apache-2.0
"""Whether a PBU is newer than those before it: RFC 5213 section 5.5, by its Timestamp or, without one, its Sequence #."""

from __future__ import annotations

from collections.abc import Iterable

from controller.binding_cache import BindingCacheEntry
from controller.refusal import Refusal
from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.iana import BindingStatus
from southbound.codec.options import Timestamp

SEQUENCE_WINDOW = 0x8000
"""RFC 6275 section 9.5.1: a number up to this far behind the last one, modulo 2^16, is old."""


def check_timestamp(
    stamp: Timestamp, sessions: Iterable[BindingCacheEntry], window_s: float, received_at: float
) -> None:
    """Newer than all accepted for the MN, and near the LMA's own clock. Raises Refusal: 157, 156."""
    last = max((session.timestamp for session in sessions if session.timestamp is not None), default=None)
    if last is not None and stamp.seconds < last:
        raise Refusal(
            BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED, "older than the last accepted PBU", timestamp=received_at
        )
    if abs(stamp.seconds - received_at) > window_s or stamp.seconds == last:
        raise Refusal(
            BindingStatus.TIMESTAMP_MISMATCH,
            f"{stamp.seconds - received_at:+.3f} s from the LMA's clock; allowed: {window_s} s",
            timestamp=received_at,
        )


def check_sequence(update: ProxyBindingUpdate, session: BindingCacheEntry | None) -> None:
    """Newer than the last one of its session; the first of a session is always new. Raises Refusal: 135."""
    if session is not None and ((session.sequence - update.sequence) & 0xFFFF) <= SEQUENCE_WINDOW:
        raise Refusal(
            BindingStatus.SEQUENCE_NUMBER_OUT_OF_WINDOW,
            f"sequence {update.sequence} after {session.sequence}",
            sequence=session.sequence,
        )


def is_repeat(update: ProxyBindingUpdate, stamp: Timestamp | None, session: BindingCacheEntry) -> bool:
    """Whether it is the PBU that was accepted last, come twice. Numbers alone do not say so: 135 answers them."""
    return stamp is not None and (session.sequence, session.timestamp) == (update.sequence, stamp.seconds)
