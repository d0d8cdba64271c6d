# SPDX-License-Identifier: Apache-2.0
"""Webhooks: what is sent and signed, what is tried again, what is dropped. The judge of signatures is standardwebhooks."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook as Judge
from standardwebhooks import WebhookVerificationError

from apps.rest.answers.events import WebhookMessage
from apps.rest.webhook_queue import FIRST_PAUSE_S, PAUSE_MAX_S, TRIES, Message, Outcome, WebhookQueue, signed_headers
from apps.rest.webhooks import Webhooks
from controller.commands import RecordEvent
from tests.support.rest_world import RestWorld
from topology.rest_model import Webhook

SECRET = bytes(range(32))
WELL, BADLY = Outcome(), Outcome("503 Service Unavailable")


def message(number: int) -> Message:
    return Message(str(number), "handover_ended", {}, 0.0)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    now = int(datetime.now(UTC).timestamp())
    body = b'{"type": "handover_ended"}'
    headers = signed_headers(SECRET, "run-7", now, body)
    judge = Judge(base64.b64encode(SECRET).decode())
    assert judge.verify(body.decode(), headers) == {"type": "handover_ended"}
    with pytest.raises(WebhookVerificationError):
        judge.verify(body.decode() + " ", headers)


def test_a_message_is_tried_again_after_growing_pauses_and_given_up() -> None:
    queue, now, pauses = WebhookQueue(10), 0.0, []
    for number in (1, 2):
        queue.offer(message(number))
    for _ in range(TRIES):
        assert queue.take(now).id == "1"  # type: ignore[union-attr]
        queue.tried(BADLY, now)
        assert queue.take(now) is None
        following = queue.next_at()
        assert following is not None
        pauses.append(following - now)
        now = following
    assert pauses == [min(FIRST_PAUSE_S * 2**n, PAUSE_MAX_S) for n in range(TRIES)]
    # The next one is not hurried: the receiver is still away. When it is back, all that waits goes out at once.
    assert queue.take(now).id == "2"  # type: ignore[union-attr]
    queue.tried(WELL, now)
    assert (queue.next_at(), queue.last_problem) == (None, "")
    assert queue.counters == {"failed": TRIES, "given_up": 1, "delivered": 1}
    queue.offer(message(3))
    assert queue.take(now) is not None


def test_a_receiver_may_ask_for_a_longer_pause_but_not_for_any() -> None:
    for asked_for, pause in ((5.0, 5.0), (0.0, 1.0), (10_000.0, PAUSE_MAX_S)):
        queue = WebhookQueue(10)
        queue.offer(message(1))
        queue.take(0.0)
        queue.tried(Outcome("429 Too Many Requests", asked_for), 0.0)
        assert queue.next_at() == pause


@given(limit=st.integers(1, 5), actions=st.lists(st.sampled_from(["offer", "take", "well", "badly"]), max_size=60))
@settings(deadline=None)
def test_whatever_happens_messages_go_in_order_once_and_are_counted(limit: int, actions: list[str]) -> None:
    queue, now, offered, taken, delivered = WebhookQueue(limit), 0.0, 0, None, []
    for action in actions:
        now = max(now, queue.next_at() or 0.0)
        match action:
            case "offer":
                offered += 1
                queue.offer(message(offered))
            case "take":
                taken = queue.take(now)
            case _ if taken is not None:
                queue.tried(WELL if action == "well" else BADLY, now)
                delivered += [int(taken.id)] if action == "well" else []
                taken = None
        assert len(queue) <= limit + (taken is not None and limit == 1)
    assert delivered == sorted(set(delivered))
    counters = queue.counters
    assert counters["delivered"] == len(delivered)
    assert offered == len(queue) + counters["delivered"] + counters["given_up"] + counters["dropped"]


class Receiver:
    """Takes what is sent, and answers as told."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Mapping[str, str], bytes]] = []
        self.answers: list[Outcome] = []

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        self.taken.append((url, headers, body))
        return self.answers.pop(0) if self.answers else WELL


def hooked(rest: RestWorld, receiver: Receiver, *hooks: Webhook, limit: int = 100) -> Webhooks:
    found = Webhooks(
        hooks, {hook.name: SECRET for hook in hooks}, queue_limit=limit, event_id=lambda: rest.events.last_id,
        handover=lambda handover_id: next(
            (view for view in rest.executor.snapshot().handovers if view["id"] == handover_id), None
        ),
        send=receiver,
    )
    rest.executor.listen(found.observe)
    return found


def test_each_hook_is_told_what_it_wants_with_the_handover_as_it_is() -> None:
    rest, receiver = RestWorld(), Receiver()
    both = hooked(
        rest, receiver,
        Webhook(name="all", url="https://a.example/hook?key=1", secret_file=""),
        Webhook(name="ends", url="http://b.example", secret_file="", events=("handover_ended",)),
    )
    handover_id = rest.hand_over()
    rest.complete(handover_id)
    everything, ends = both._hooks
    assert (len(everything.queue), len(ends.queue)) == (18, 1)
    ends.step()
    url, headers, body = receiver.taken.pop()
    assert url == "http://b.example"
    assert Judge(base64.b64encode(SECRET).decode()).verify(body.decode(), dict(headers))
    told = WebhookMessage.model_validate_json(body)
    assert (told.type, told.timestamp) == ("handover_ended", "2023-11-14T22:13:20.000Z")
    assert told.data.fields["handover_id"] == handover_id
    assert told.data.handover is not None
    assert (told.data.handover.state.value, told.data.handover.packets["delivered"]) == ("completed", 100)
    assert headers["webhook-id"].startswith("0a1b2c3d-")
    everything.step()
    assert json.loads(receiver.taken.pop()[2])["type"] == "handover_requested"


def test_a_try_again_is_the_same_message() -> None:
    rest, receiver = RestWorld(), Receiver()
    hook = hooked(rest, receiver, Webhook(name="a", url="http://a.example", secret_file=""))._hooks[0]
    receiver.answers = [BADLY]
    handover_id = rest.hand_over()
    hook.step()
    rest.complete(handover_id)
    hook.queue._not_before = 0.0
    hook.step()
    (_, first, body), (_, second, again) = receiver.taken
    assert body == again
    assert first["webhook-id"] == second["webhook-id"]


def test_what_became_of_them_is_shown_and_counted() -> None:
    rest, receiver = RestWorld(), Receiver()
    webhooks = hooked(
        rest, receiver, Webhook(name="a", url="https://a.example/x?secret=1", secret_file=""), limit=2
    )
    receiver.answers = [BADLY]
    rest.complete(rest.hand_over())
    webhooks._hooks[0].step()
    (view,) = [hook.view() for hook in webhooks._hooks]
    assert view == {
        "name": "a", "url": "https://a.example/x", "events": list(Webhook(name="", url="", secret_file="").events),
        "waiting": 2, "delivered": 0, "failed": 1, "given_up": 0, "dropped": 16, "last_problem": "503 Service Unavailable",
    }
    families = webhooks.collect()
    samples = {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
    assert samples["castover_webhook_messages_total", "a", "dropped"] == 16
    assert samples["castover_webhook_failed_tries_total", "a"] == 1
    assert samples["castover_webhook_waiting", "a"] == 2


def test_events_that_can_be_chosen_are_those_that_the_controller_tells() -> None:
    rest = RestWorld()
    told: list[str] = []

    def listen(fact: RecordEvent, _at: float) -> Any:
        told.append(fact.name)

    rest.executor.listen(listen)
    rest.complete(rest.hand_over())
    names = dict.fromkeys(name for name in told if name.startswith("handover_"))
    assert set(names) == set(Webhook(name="", url="", secret_file="").events)
