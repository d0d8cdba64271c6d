# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a request that is sent again is carried out once.

What was answered to a key is kept for a while and answered again. 503 is not kept: the client is meant to try again, and
then under the same names, so that what the core had taken after all is found and not begun a second time.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from webob import Response

from apps.rest.problems import KEY_IN_USE, KEY_REUSED, MALFORMED, FieldError, Problem, ProblemType
from apps.rest.routing import Call

HEADER = "Idempotency-Key"
KEY_CHARACTERS_MAX = 255
KEPT_OCTETS_MAX = 16 * 1024 * 1024
"""Of all bodies that are kept: answers to batches may be large."""
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
"""RFC 8941 section 3.3.3; what is not in quotes is taken as well, because many clients leave them out."""
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x7e]+")
"""Without a comma: two header lines come as one value with a comma between them (RFC 9110 section 5.2)."""


@dataclass(slots=True)
class Reservation:
    """One key while its request is carried out, and what is known of it afterwards."""

    fingerprint: bytes = b""
    begun_at: float = 0.0
    under_way: bool = True
    keep: bool = True
    """Whether the answer may be given again."""
    answer: Response | None = None
    ids: list[str] = field(default_factory=list)

    def names(self, count: int, new_id: Callable[[], str]) -> list[str]:
        """Ids for what the request begins: the same when it is tried again."""
        while len(self.ids) < count:
            self.ids.append(new_id())
        return self.ids[:count]


class IdempotencyStore:
    """Keys of the last `age_s` seconds, at most `keys_max` of them; the oldest go first."""

    def __init__(self, *, keys_max: int, age_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys_max = keys_max
        self._age_s = age_s
        self._clock = clock
        self._known: OrderedDict[tuple[str, str, str], Reservation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def answer(self, call: Call, carry_out: Callable[[Reservation], Response]) -> Response:
        """What was answered to the key of this request before, or what `carry_out` answers now. Raises Problem."""
        key = _key(call)
        if key is None:
            return carry_out(Reservation())
        self._forget_old()
        # Keys are the client's own: another client may choose the same one.
        scope = (call.client, call.request.path, key)
        known = self._known.get(scope)
        fingerprint = hashlib.sha256(call.body.model_dump_json().encode()).digest()
        if known is not None:
            if known.fingerprint != fingerprint:
                raise _refused(KEY_REUSED, "this key came with another body before; a new request needs a new key")
            if known.under_way:
                raise _refused(KEY_IN_USE, "the request with this key is being carried out")
            if known.answer is not None:
                return _again(known.answer)
        reservation = known or Reservation(fingerprint=fingerprint, begun_at=self._clock())
        reservation.under_way, reservation.keep = True, True
        self._known[scope] = reservation
        self._trim()
        try:
            reservation.answer = self._first(carry_out, reservation)
            return _copy(reservation.answer)
        finally:
            reservation.under_way = False
            if not reservation.keep:
                reservation.answer = None

    def _first(self, carry_out: Callable[[Reservation], Response], reservation: Reservation) -> Response:
        try:
            return carry_out(reservation)
        except Problem as problem:
            reservation.keep = problem.kind.status < 500
            return problem.response()
        except BaseException:
            reservation.keep = False
            raise

    def _forget_old(self) -> None:
        oldest = self._clock() - self._age_s
        while self._known:
            scope, reservation = next(iter(self._known.items()))
            if reservation.begun_at > oldest or reservation.under_way:
                return
            del self._known[scope]

    def _trim(self) -> None:
        idle = iter([scope for scope, known in self._known.items() if not known.under_way])
        while len(self._known) > self._keys_max or self._kept_octets() > KEPT_OCTETS_MAX:
            oldest = next(idle, None)
            if oldest is None:
                return
            del self._known[oldest]

    def _kept_octets(self) -> int:
        return sum(known.answer.content_length or 0 for known in self._known.values() if known.answer is not None)


def _key(call: Call) -> str | None:
    value = call.request.headers.get(HEADER)
    if value is None:
        return None
    found = _STRING.fullmatch(value.strip())
    key = found[1] if found else value.strip() if _BARE.fullmatch(value.strip()) else ""
    if not key or len(key) > KEY_CHARACTERS_MAX:
        detail = f"allowed: once, a text of 1 to {KEY_CHARACTERS_MAX} printable characters in double quotes"
        raise _refused(MALFORMED, detail)
    return key


def _refused(kind: ProblemType, detail: str) -> Problem:
    return Problem(kind, detail, errors=[FieldError(field=HEADER, detail=detail)])


def _copy(kept: Response) -> Response:
    return Response(status=kept.status, headerlist=list(kept.headerlist), body=kept.body)


def _again(kept: Response) -> Response:
    response = _copy(kept)
    response.headers["Idempotent-Replayed"] = "true"
    return response
