# SPDX-License-Identifier: Apache-2.0
"""Rates: counters of two readings as streams between nodes."""

from __future__ import annotations

from typing import Any

import pytest

from southbound.openflow.counters import NOTHING, Count, Rate, rate_between
from southbound.rpc.methods import PacketCounts
from tests.support.domain_script import MN1, WALL
from tests.support.rest_world import RestWorld, reading


@pytest.mark.parametrize(
    ("before", "after", "seconds", "rate"),
    [
        (Count(10, 1000), Count(30, 5000), 2.0, Rate(10.0, 2000.0)), (None, Count(5, 5), 1.0, NOTHING),
        (Count(5, 5), None, 1.0, NOTHING), (Count(5, 5), Count(1, 1), 1.0, NOTHING), (Count(1, 1), Count(2, 2), 0, NOTHING),
    ],
)
def test_a_rate_is_growth_in_time(before: Count | None, after: Count | None, seconds: float, rate: Rate) -> None:
    assert rate_between(before, after, seconds) == rate


def test_streams_and_their_copies_are_named_by_nodes() -> None:
    rest = RestWorld()
    assert rest.get("/v1/rates?switch=mag1").json["switches"][0]["over_s"] == 0
    for name in ("lma", "mag1"):
        rules = rest.executor.rules(name)
        rest.executor.counters[name] = [reading(rules, 10.0, 100), reading(rules, 11.0, 400), reading(rules, 12.0, 2100)]
    found = {switch["name"]: switch for switch in rest.get("/v1/rates").json["switches"]}
    rate = {"packets_per_s": 1000.0, "bits_per_s": 800_000.0}
    assert found["mag1"] == {
        "name": "mag1",
        "over_s": 2.0,
        "ports": [
            {"port": "lma0", "received": rate, "sent": {"packets_per_s": 0, "bits_per_s": 0}},
            {"port": "mn1", "received": {"packets_per_s": 0, "bits_per_s": 0}, "sent": rate},
        ],
        "streams": [
            {"sender": "lma", "group": group, "source": None, "rate": rate,
             "copies": [{"receiver": MN1, "rate": rate}]}
            for group in ("2001:db8:100:1::/64", "ff1e::101")
        ],
    }
    streams = [
        (stream["sender"], stream["group"], [copy["receiver"] for copy in stream["copies"]])
        for stream in found["lma"]["streams"]
    ]
    assert streams == [
        ("sources", "2001:db8:100:1::/64", ["mag1"]), ("sources", "ff1e::101", ["mag1"]),
        ("mobile-nodes", "2001:db8:100:1::/64", ["mag1"]),
    ]
    assert found["mag2"]["streams"] == found["mag2"]["ports"] == []


def test_the_clone_and_the_handover_buffer_are_seen_during_a_handover() -> None:
    rest = RestWorld()
    handover_id = rest.hand_over()
    rest.prepare_and_clone(handover_id)
    streams = {
        switch["name"]: [(stream["sender"], sorted(copy["receiver"] for copy in stream["copies"]))
                         for stream in switch["streams"]]
        for switch in rest.get("/v1/rates").json["switches"]
    }
    assert streams["mag1"] == [("lma", ["mag2", MN1])] * 2
    assert ("mag1", ["handover-buffer"]) in streams["mag2"]


def multicast(streams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [stream for stream in streams if stream["group"].startswith("ff")]


def test_a_copy_that_is_new_counts_from_when_it_was_first_seen() -> None:
    rest = RestWorld()
    handover_id = rest.hand_over()
    before = rest.executor.rules("mag1")
    rest.prepare_and_clone(handover_id)
    after = rest.executor.rules("mag1")
    readings = [reading(rules, 10.0 + at, 100 + round(1000 * at)) for rules, at in (
        (before, 0.0), (before, 0.5), (after, 1.0), (after, 1.5),
    )]
    rest.executor.counters["mag1"] = readings
    (stream,) = multicast(rest.get("/v1/rates?switch=mag1").json["switches"][0]["streams"])
    assert {copy["receiver"]: copy["rate"]["packets_per_s"] for copy in stream["copies"]} == {"mag2": 1000.0, MN1: 1000.0}
    rest.executor.counters["mag1"] = readings[:3]
    (stream,) = multicast(rest.get("/v1/rates?switch=mag1").json["switches"][0]["streams"])
    assert {copy["receiver"]: copy["rate"]["packets_per_s"] for copy in stream["copies"]} == {"mag2": 0.0, MN1: 1000.0}


def test_a_switch_that_is_not_there() -> None:
    assert RestWorld().get("/v1/rates?switch=mag9").status == 404


def counts(handover_id: str, path: str, **changes: float) -> PacketCounts:
    times = {"begins_at": WALL, "interval_s": 0.005, **changes}
    return PacketCounts(handover_id=handover_id, mn_id=MN1, path=path, packets=(5, 4), **times)


def test_packets_over_time_are_shown_as_the_mags_tell_them() -> None:
    rest = RestWorld()
    handover_id = rest.hand_over()
    assert rest.get(f"/v1/handovers/{handover_id}").json["packets_over_time"] == []
    rest.complete(handover_id)
    tag = rest.get(f"/v1/handovers/{handover_id}").response.headers["ETag"]
    rest.notify("mag2", counts(handover_id, "tunnel"))
    found = rest.get(f"/v1/handovers/{handover_id}")
    assert found.response.headers["ETag"] != tag
    assert [(one["path"], sum(one["packets"])) for one in found.json["packets_over_time"]] == [
        ("new_mag", 60), ("previous_mag", 49), ("tunnel", 9),
    ]
    assert rest.executor.facts[-1].fields == {"handover_id": handover_id, "path": "tunnel", "packets": 9}


@pytest.mark.parametrize(
    ("mag", "path", "changes"),
    [
        ("mag2", "previous_mag", {}), ("mag1", "tunnel", {}), ("mag1", "new_mag", {}),
        ("mag2", "tunnel", {"interval_s": 0.0}), ("mag2", "tunnel", {"interval_s": -1.0}),
    ],
)
def test_packets_over_time_are_taken_from_the_mag_that_counts_them(mag: str, path: str, changes: dict[str, float]) -> None:
    rest = RestWorld()
    handover_id = rest.hand_over()
    rest.notify(mag, counts(handover_id, path, **changes))
    rest.notify("mag2", counts("ho-of-nobody", "tunnel"))
    assert rest.get(f"/v1/handovers/{handover_id}").json["packets_over_time"] == []
    assert rest.executor.facts[-1].fields["reason"] == "packet_counts_not_taken"
