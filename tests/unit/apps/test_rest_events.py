# SPDX-License-Identifier: Apache-2.0
"""The event stream: ids, resuming, gaps, bounds, heartbeats; as a browser reads it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import eventlet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rest.event_stream import (
    EVENT_OCTETS_MAX,
    READERS_MAX,
    EventFilter,
    EventReader,
    EventStream,
    TooManyReadersError,
)
from controller.commands import RecordEvent
from tests.support.rest_world import RestWorld

AT = 1_700_000_000.25
SHORT_S = 0.001


def stream(**options: Any) -> EventStream:
    return EventStream("run1", heartbeat_s=SHORT_S, **options)


def publish(to: EventStream, count: int = 1, first: int = 1) -> None:
    for number in range(first, first + count):
        to.publish(RecordEvent(name="happened", fields={"number": number}), AT)


def follow(of: EventStream, last_event_id: str = "") -> EventReader:
    return of.follow(last_event_id)


class Connection:
    """Of a reader, without a socket."""

    def __init__(self) -> None:
        self.gone: Callable[[], None] | None = None
        self.hung_up = self.watched = False

    def hang_up(self) -> None:
        self.hung_up = True

    def watch(self, gone: Callable[[], None]) -> None:
        self.gone, self.watched = gone, True

    def let_go(self) -> None:
        self.watched = False


def parse(octets: bytes) -> list[dict[str, str]]:
    """The HTML standard's section 9.2.6, without what nothing here needs."""
    blocks = []
    for block in octets.decode().split("\n\n")[:-1]:
        fields = [line.partition(": ") for line in block.split("\n") if not line.startswith(":")]
        blocks.append({name: value for name, _, value in fields})
    return blocks


def numbers(octets: bytes) -> list[int]:
    return [json.loads(block["data"])["fields"]["number"] for block in parse(octets) if "data" in block]


def test_an_event_has_an_id_and_its_facts_on_one_line() -> None:
    events = stream()
    reader = follow(events)
    assert parse(next(reader)) == [{"retry": "1000", "id": "run1-0"}]
    events.publish(RecordEvent(name="happened", fields={"mn_id": "mn1@example.net", "text": "two\nlines"}), AT)
    (block,) = parse(next(reader))
    assert block["id"] == "run1-1"
    assert json.loads(block["data"]) == {
        "name": "happened", "at": AT, "fields": {"mn_id": "mn1@example.net", "text": "two\nlines"}
    }


def test_a_new_reader_begins_with_what_happens_next() -> None:
    events = stream()
    publish(events, 3)
    reader = follow(events)
    next(reader)
    publish(events, 2, first=4)
    assert numbers(next(reader)) == [4, 5]


@pytest.mark.parametrize(
    ("last", "expected", "gap"),
    [
        ("run1-5", [], False), ("run1-4", [5], False), ("run1-2", [3, 4, 5], False),
        ("run1-1", [3, 4, 5], True),  # 2 has left the ring
        ("run1-6", [3, 4, 5], True), ("run0-4", [3, 4, 5], True), ("run1-", [3, 4, 5], True),
        ("run1-\u0664", [3, 4, 5], True), ("run1--4", [3, 4, 5], True), ("4", [3, 4, 5], True),
        ("run1-" + 5000 * "9", [3, 4, 5], True),
    ],
)
def test_resuming(last: str, expected: list[int], gap: bool) -> None:
    events = stream(ring_events=3)
    publish(events, 5)
    reader = follow(events, last)
    assert ("gap" in [block.get("event") for block in parse(next(reader))]) is gap
    assert numbers(next(reader)) == expected


def test_a_quiet_stream_has_heartbeats_and_then_goes_on() -> None:
    events = stream()
    reader = follow(events)
    next(reader)
    assert [next(reader), next(reader)] == 2 * [b": heartbeat\nid: run1-0\n\n"]
    publish(events)
    assert numbers(next(reader)) == [1]


def test_a_reader_hears_only_what_it_wants_and_loses_nothing_by_it() -> None:
    events = stream(ring_events=3)
    reader = events.follow("", None, EventFilter(handover_id="ho-2", mn_id="mn1"))
    next(reader)
    for number, (handover_id, mn_id) in enumerate((("ho-1", "mn1"), ("ho-2", "mn2"), ("ho-2", "mn1")), start=1):
        fields = {"number": number, "handover_id": handover_id, "mn_id": mn_id}
        events.publish(RecordEvent(name="happened", fields=fields), AT)
    assert numbers(next(reader)) == [3]
    # What it does not want goes by; the heartbeat says how far, so that coming back after it is no gap.
    for _ in range(5):
        publish(events)
        assert parse(next(reader))[-1]["id"] == events.last_id
    assert parse(next(events.follow(events.last_id)))[-1] == {"retry": "1000", "id": "run1-8"}


def test_a_reader_that_falls_out_of_the_ring_is_hung_up_and_others_go_on() -> None:
    events = stream(ring_events=3)
    of_slow, of_fast = Connection(), Connection()
    slow, fast = events.follow("", of_slow), events.follow("", of_fast)
    next(slow), next(fast)
    for number in range(1, 6):
        publish(events, first=number)
        assert numbers(next(fast)) == [number]
        assert (of_slow.hung_up, of_slow.watched) == ((True, False) if number > 3 else (False, True))
    assert (of_fast.hung_up, of_fast.watched) == (False, True)
    assert events.dropped == {"slow_reader": 1}
    assert list(slow) == []


def test_a_long_event_is_told_by_its_name_alone() -> None:
    events = stream()
    reader = follow(events)
    next(reader)
    events.publish(RecordEvent(name="long", fields={"text": "x" * EVENT_OCTETS_MAX}), AT)
    assert json.loads(parse(next(reader))[0]["data"]) == {"name": "long", "at": AT, "fields": {}, "too_long": True}
    assert events.dropped == {"event_too_long": 1}


def test_readers_are_counted_and_a_closed_one_makes_room() -> None:
    events = stream()
    readers = [follow(events) for _ in range(READERS_MAX)]
    with pytest.raises(TooManyReadersError):
        follow(events)
    assert events.dropped == {"too_many_readers": 1}
    readers[0].close()
    readers[0].close()
    follow(events)


def test_a_client_that_has_gone_makes_room_before_anything_is_written_to_it() -> None:
    events = EventStream("run1", heartbeat_s=600.0)
    connection = Connection()
    reader = events.follow("", connection)
    next(reader)
    others = [follow(events) for _ in range(READERS_MAX - 1)]
    eventlet.spawn_after(0, connection.gone)
    with eventlet.Timeout(5):
        assert list(reader) == []  # its thread waits no longer
    assert not connection.watched
    follow(events)
    assert len(others) == READERS_MAX - 1


def test_closing_the_stream_ends_its_readers() -> None:
    events = stream()
    reader = follow(events)
    next(reader)
    publish(events)
    events.close()
    assert list(reader) == []


@given(
    ring=st.integers(1, 8), actions=st.lists(st.sampled_from(["publish", "read", "reconnect"]), max_size=60)
)
@settings(deadline=None)
def test_a_reader_that_reconnects_gets_everything_once_or_is_told_of_a_gap(ring: int, actions: list[str]) -> None:
    events = stream(ring_events=ring)
    happened = itertools.count(1)
    reader, cut_off = follow(events), False
    # Without an event yet, the stream itself has said where it began.
    last, seen, gaps, told = parse(next(reader))[0]["id"], 0, 0, 0
    for action in [*actions, "reconnect"]:
        if action == "publish":
            publish(events, first=next(happened))
            told += 1
            continue
        octets = b""
        if action == "reconnect":
            reader.close()
            reader = follow(events, last)
            cut_off = False
            octets = next(reader)
        if not cut_off:
            octets += next(reader, b"")
        for block in parse(octets):
            if block.get("event") == "gap":
                gaps += 1
                seen = max(seen, told - ring)
                continue
            last = block.get("id", last)
            if "data" in block:
                seen += 1
                assert json.loads(block["data"])["fields"]["number"] == seen
        cut_off = reader._over
    assert seen == told


def test_who_asks_for_a_handover_or_a_mobile_node_that_is_not_there_is_told_so() -> None:
    rest = RestWorld()
    for query, field in (("handover_id=zzz", "handover_id"), ("mn_id=mn9", "mn_id")):
        refused = rest.get(f"/v1/events?{query}")
        assert (refused.status, refused.json["errors"][0]["field"]) == (404, field)
        assert rest.request("HEAD", f"/v1/events?{query}").status == 404
    assert rest.request("HEAD", f"/v1/events?handover_id={rest.hand_over()}").status == 200
