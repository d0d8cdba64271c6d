# SPDX-License-Identifier: Apache-2.0
"""What a call can fail with: the error map {code, message, field?} of the wire, as a value and as an exception."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """Whose fault it is and whether trying again makes sense; docs/reference/rpc.md has the table."""

    UNKNOWN_METHOD = "unknown_method"
    BAD_PARAMS = "bad_params"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The outcome of a call that did not succeed, comparable by value."""

    code: ErrorCode
    message: str
    field: str | None = None
    """The parameter that is wrong, when one is."""


class RpcError(Exception):
    """A call failed, or (raised by a handler) is to be answered with this error."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(f"{code}: {message}" if field is None else f"{code}: {field}: {message}")
        self.code = ErrorCode(code)
        self.message = message
        self.field = field

    def failure(self) -> Failure:
        """The same as a value."""
        return Failure(code=self.code, message=self.message, field=self.field)


class ConnectionLostError(RpcError):
    """There is no connection, or it was lost before the answer: the call may or may not have been carried out."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.UNAVAILABLE, message)


class FrameError(ValueError):
    """Our own message cannot be sent: not representable in msgpack, longer than a frame may be, or not asked for."""


class TooManyOutstandingError(RuntimeError):
    """No further request may be sent before some of the outstanding ones are answered or time out."""
