# SPDX-License-Identifier: Apache-2.0
"""What `southbound.rpc.session.Session` tells its shell, and the names of what it discards."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from southbound.rpc.errors import ErrorCode


class DiscardReason(StrEnum):
    """Why something that a peer sent was not used. Counted in `Session.discarded`."""

    UNKNOWN_METHOD = "unknown_method"
    BAD_PARAMS = "bad_params"
    TOO_MANY_REQUESTS = "too_many_requests"
    """More requests outstanding than SessionLimits.requests_in_max."""
    UNEXPECTED_RESPONSE = "unexpected_response"
    """Nobody waits for it: never asked, answered already, or given up at its deadline."""
    NOT_MSGPACK = "not_msgpack"
    """Ends the session."""
    NOT_A_MESSAGE = "not_a_message"
    """Good msgpack, but no request, response or notification. Ends the session."""
    FRAME_TOO_LONG = "frame_too_long"
    """Ends the session."""
    MESSAGE_ID_IN_USE = "message_id_in_use"
    """A request with the id of one that is still unanswered: answers could not be told apart. Ends the session."""
    AFTER_THE_END = "after_the_end"
    """Came after the session had ended; counted once per `receive`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReceived:
    """The peer calls us; answer with `Session.respond` or `Session.fail`, in any order."""

    msgid: int
    call: Any
    """One of the dataclasses of `southbound.rpc.methods`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationReceived:
    """The peer tells us something and expects no answer."""

    call: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseReceived:
    """A request of ours succeeded."""

    msgid: int
    result: Any
    """As the peer sent it: None, bool, int, float, str, bytes, list or dict. Not checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReceived:
    """A request of ours failed at the peer."""

    msgid: int
    code: ErrorCode
    message: str
    field: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRefused:
    """The peer's request or notification was refused here, by the session itself.

    Nothing is left to decide: the shell sends `reply` and may log the rest.
    """

    reply: bytes
    """The error response; empty for a notification, which has none."""
    code: ErrorCode
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolBroken:
    """The byte stream cannot be read any further; the shell closes the connection. Always the last event."""

    reason: DiscardReason


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """A request of ours has had no answer in time; one that comes later is discarded."""

    msgid: int


SessionEvent = (
    RequestReceived | NotificationReceived | ResponseReceived | ErrorReceived | MessageRefused | ProtocolBroken
)
