# SPDX-License-Identifier: Apache-2.0
"""Tells others of handovers: each webhook has a queue and a green thread of its own, and holds up nobody."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import eventlet
from eventlet.event import Event as Wakeup
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from webob import Response

from apps.rest.answers.events import WebhookList
from apps.rest.paging import by_place, page_of
from apps.rest.request_models import PageQuery
from apps.rest.routing import Call, Good, Route, model_response
from apps.rest.webhook_queue import DELIVERED, DROPPED, FAILED, GIVEN_UP, Message, Outcome, WebhookQueue, signed_headers
from apps.rest.webhook_sender import post
from controller.commands import RecordEvent
from topology.rest_model import Webhook

_log = logging.getLogger("castover.webhooks")
_OUTCOMES = (DELIVERED, GIVEN_UP, DROPPED)
Post = Callable[[str, Mapping[str, str], bytes], Outcome]


class Webhooks(Collector):
    """All of one controller. `event_id` names the latest event, `handover` gives one as the API shows it, or None."""

    def __init__(
        self,
        hooks: Sequence[Webhook],
        secrets: Mapping[str, bytes],
        *,
        queue_limit: int,
        event_id: Callable[[], str],
        handover: Callable[[str], dict[str, Any] | None],
        send: Post = post,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._event_id = event_id
        self._hooks = [
            _Hook(hook, secrets[hook.name], WebhookQueue(queue_limit, _jitter), handover, send, clock) for hook in hooks
        ]

    def start(self) -> None:
        """Begin to deliver."""
        for hook in self._hooks:
            hook.greenlet = eventlet.spawn(hook.run)

    def stop(self) -> None:
        """End; what waits is lost with the process."""
        for hook in self._hooks:
            if hook.greenlet is not None:
                hook.greenlet.kill()

    def observe(self, fact: RecordEvent, at: float) -> None:
        """A listener of the executor, after the event stream. Never blocks."""
        for hook in self._hooks:
            if fact.name in hook.settings.events:
                hook.offer(self._event_id(), fact, at)

    # --- what is told of them ---------------------------------------------------------------------------------------

    def routes(self) -> tuple[Route, ...]:
        """/v1/webhooks."""
        return (
            Route(method="GET", path="/v1/webhooks", summary="who is told of handovers, and what became of it",
                  answer=self.list_webhooks, tag="events", query=PageQuery,
                  answers=(Good(description="A page of them.", model=WebhookList, headers=("Link",)),)),
        )

    def list_webhooks(self, call: Call) -> Response:
        """A page, in the order of topology.yaml."""
        views = {hook.settings.name: hook.view() for hook in self._hooks}
        page = page_of(tuple(views), call.query, call.request, by_place(tuple(views)), str)
        answer = {"webhooks": [views[name] for name in page.items], "total": page.total}
        return model_response(WebhookList.model_validate(answer), headers=page.headers)

    def collect(self) -> Iterable[Metric]:
        """For Prometheus."""
        messages = CounterMetricFamily(
            "castover_webhook_messages", "Messages to webhooks by what became of them.", labels=["webhook", "outcome"]
        )
        failures = CounterMetricFamily(
            "castover_webhook_failed_tries", "Tries to deliver a message that failed.", labels=["webhook"]
        )
        waiting = GaugeMetricFamily("castover_webhook_waiting", "Messages that wait.", labels=["webhook"])
        for hook in self._hooks:
            name = hook.settings.name
            for outcome in _OUTCOMES:
                messages.add_metric([name, outcome], hook.queue.counters[outcome])
            failures.add_metric([name], hook.queue.counters[FAILED])
            waiting.add_metric([name], len(hook.queue))
        yield from (messages, failures, waiting)


class _Hook:
    """One webhook and its green thread."""

    def __init__(
        self, settings: Webhook, secret: bytes, queue: WebhookQueue, handover: Callable[[str], dict[str, Any] | None],
        send: Post, clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.queue = queue
        self.greenlet: Any = None
        self._secret = secret
        self._handover = handover
        self._send = send
        self._clock = clock
        self._wakeup = Wakeup()

    def offer(self, event_id: str, fact: RecordEvent, at: float) -> None:
        self.queue.offer(Message(event_id, fact.name, fact.fields, at))
        if not self._wakeup.ready():
            self._wakeup.send()

    def run(self) -> None:
        while True:
            self.step()
            next_at = self.queue.next_at()
            if next_at is None:
                self._wakeup.wait()
                self._wakeup = Wakeup()
            else:
                eventlet.sleep(max(next_at - time.monotonic(), 0.0))

    def step(self) -> None:
        """Try the message that is due, if any."""
        message = self.queue.take(time.monotonic())
        if message is None:
            return
        # The handover is told as it is at the first try: of one that has ended, the numbers may have come by then.
        message.body = message.body or _body(message, self._handover(str(message.fields.get("handover_id", ""))))
        timestamp = int(self._clock())
        headers = {
            "Content-Type": "application/json", "User-Agent": "castover-webhook/1",
            **signed_headers(self._secret, message.id, timestamp, message.body),
        }
        outcome = self._send(self.settings.url, headers, message.body)
        self.queue.tried(outcome, time.monotonic())
        if outcome.problem:
            _log.warning(
                "event=webhook_failed webhook=%s message=%s tries=%d reason=%r", self.settings.name, message.id,
                message.tries, outcome.problem,
            )

    def view(self) -> dict[str, Any]:
        parts = urlsplit(self.settings.url)
        return {
            "name": self.settings.name,
            # A query may hold a secret of the receiver's.
            "url": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
            "events": list(self.settings.events),
            "waiting": len(self.queue),
            **{name: self.queue.counters[name] for name in (DELIVERED, FAILED, GIVEN_UP, DROPPED)},
            "last_problem": self.queue.last_problem or None,
        }


def _body(message: Message, handover: dict[str, Any] | None) -> bytes:
    stamp = datetime.fromtimestamp(message.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"fields": message.fields, "handover": handover}
    return json.dumps({"type": message.name, "timestamp": stamp, "data": data}, default=str).encode()


def _jitter() -> float:
    return random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret
