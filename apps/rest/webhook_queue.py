# SPDX-License-Identifier: Apache-2.0
"""Messages that wait for one webhook: in order, bounded, tried again after growing pauses. Time comes in as `now`."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

FIRST_PAUSE_S = 1.0
PAUSE_MAX_S = 60.0
TRIES = 8
"""Of one message: over about two minutes. What it told is old by then, and the next ones wait."""
DELIVERED, FAILED, GIVEN_UP, DROPPED = "delivered", "failed", "given_up", "dropped"


@dataclass(slots=True)
class Message:
    """One event on its way to one webhook."""

    id: str
    """The event's id, the same for every try: who gets a message twice knows it by this."""
    name: str
    fields: Mapping[str, Any]
    at: float
    """When it happened, seconds since 1970."""
    body: bytes = b""
    """Made for the first try, and then the same for every one."""
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one try. `problem` is '' when it went well; `retry_after_s` is what the receiver asked for."""

    problem: str = ""
    retry_after_s: float | None = None


class WebhookQueue:
    """`jitter` gives a factor near 1, so that receivers that came back are not asked by everybody at once."""

    def __init__(self, limit: int, jitter: Callable[[], float] = lambda: 1.0) -> None:
        self._waiting: deque[Message] = deque()
        self._limit = limit
        self._jitter = jitter
        self._pause_s = FIRST_PAUSE_S
        self._not_before = 0.0
        self._under_way: Message | None = None
        self.counters: Counter[str] = Counter()
        """delivered and given_up messages, failed tries, messages dropped because too many waited."""
        self.last_problem = ""

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, message: Message) -> None:
        """Let it wait; the oldest that is not under way goes when there are too many."""
        self._waiting.append(message)
        if len(self._waiting) > self._limit:
            oldest = 1 if self._waiting[0] is self._under_way and len(self._waiting) > 1 else 0
            del self._waiting[oldest]
            self.counters[DROPPED] += 1

    def take(self, now: float) -> Message | None:
        """The message to try now; None when none waits or it is too early. `tried` says what came of it."""
        if not self._waiting or now < self._not_before:
            return None
        self._under_way = self._waiting[0]
        return self._under_way

    def next_at(self) -> float | None:
        """When `take` has something; None when nothing waits."""
        return self._not_before if self._waiting else None

    def tried(self, outcome: Outcome, now: float) -> None:
        """What came of the message that `take` gave."""
        message, self._under_way = self._under_way, None
        if message is None:
            return
        message.tries += 1
        self.last_problem = outcome.problem
        if not outcome.problem:
            self.counters[DELIVERED] += 1
            self._waiting.popleft()
            self._pause_s, self._not_before = FIRST_PAUSE_S, now
            return
        self.counters[FAILED] += 1
        if message.tries >= TRIES:
            self.counters[GIVEN_UP] += 1
            self._waiting.popleft()
        # Also before the next message: a receiver that is away is asked once a minute, not for every message anew.
        asked_for = min(outcome.retry_after_s or 0.0, PAUSE_MAX_S)
        self._not_before = now + max(self._pause_s * self._jitter(), asked_for)
        self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)


def signed_headers(secret: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of the Standard Webhooks specification, version 1.0: HMAC-SHA256 over id, time and body."""
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id, "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
