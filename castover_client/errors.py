# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, by whose turn it is: each error is one line that says what was wrong."""
# ruff: noqa: N818 - they read as what has happened: `except NotFound`

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class CastoverError(Exception):
    """All errors of this package."""


class Unreachable(CastoverError):
    """Nobody answers, or the connection broke more often than was tried again."""


class NotTrusted(Unreachable):
    """Somebody answers, with a certificate that proves nothing to us; asking again changes nothing."""


class UnexpectedAnswer(CastoverError):
    """Something answers, and it is not Castover, or not one that this client knows."""


class HandoverTimeout(CastoverError):
    """A handover has not come as far as wanted in the time that was given."""


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field that is at fault, and what would be right."""

    field: str
    detail: str


class Refused(CastoverError):
    """The controller said no, with a problem document (RFC 9457)."""

    def __init__(self, status: int, reason: str, document: Any, headers: Mapping[str, str]) -> None:
        members = document if isinstance(document, dict) else {}
        self.status = status
        self.type = str(members.get("type", "about:blank"))
        """Names the kind of problem, such as '/problems/conflict'."""
        self.title = str(members.get("title") or reason)
        self.detail = str(members.get("detail") or "")
        self.errors: Sequence[FieldFault] = _faults(members.get("errors"))
        retry_after = headers.get("retry-after", "")
        self.retry_after_s = float(retry_after) if retry_after.isdigit() else None
        """When it is worth to ask again; None when nothing is said."""
        super().__init__(self._line())

    def _line(self) -> str:
        line = f"{self.status} {self.title}" + (f": {self.detail}" if self.detail else "")
        told = [f"{fault.field}: {fault.detail}" for fault in self.errors if fault.detail not in line]
        return line + (f" ({'; '.join(told)})" if told else "")


class TokenNeeded(Refused):
    """401: no token, or one that is not known."""


class Forbidden(Refused):
    """403: the token's role does not allow it."""


class NotFound(Refused):
    """404: no such mobile node, MAG, switch or handover."""


class Conflict(Refused):
    """409: the mobile node or the handover is in a state that does not allow it."""


class NotValid(Refused):
    """400 or 422: something that was given is not allowed; `errors` says what."""


class Unavailable(Refused):
    """503: an agent or a switch is away, or the controller is too busy."""


_BY_STATUS: Mapping[int, type[Refused]] = {
    400: NotValid, 401: TokenNeeded, 403: Forbidden, 404: NotFound, 409: Conflict, 422: NotValid, 503: Unavailable,
}


def refusal(status: int, reason: str, document: Any, headers: Mapping[str, str]) -> Refused:
    """The error of an answer from 300 on; header names in lower case."""
    return _BY_STATUS.get(status, Refused)(status, reason, document, headers)


def _faults(errors: Any) -> tuple[FieldFault, ...]:
    if not isinstance(errors, list):
        return ()
    return tuple(
        FieldFault(str(error.get("field", "")), str(error.get("detail", ""))) for error in errors if isinstance(error, dict)
    )
