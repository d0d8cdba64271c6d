# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import typing
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.mld.membership import FilterMode, GroupMembership
from southbound.rpc.errors import ErrorCode
from southbound.rpc.methods import (
    AGENT_METHODS,
    CONTROLLER_METHODS,
    MembershipReported,
    Memberships,
    PacketCounts,
    ReleaseForwarding,
    RpcParameterError,
    StepReached,
    decode_params,
    encode_params,
)

METHODS = {**CONTROLLER_METHODS, **AGENT_METHODS}
DOCUMENT = Path(__file__).parents[4] / "docs" / "reference" / "rpc.md"

addresses = st.integers(1, 2**128 - 1).map(IPv6Address)
groups = st.integers(0, 2**120 - 1).map(lambda low: IPv6Address((0xFF << 120) | low))
memberships = st.builds(
    GroupMembership,
    group=groups,
    filter_mode=st.sampled_from(FilterMode),
    sources=st.frozensets(addresses, max_size=4),
)
by_type: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=30),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    Memberships: st.lists(memberships, max_size=4, unique_by=lambda m: m.group).map(tuple),
    tuple[str, ...]: st.lists(st.text(max_size=10), max_size=5).map(tuple),
    tuple[int, ...]: st.lists(st.integers(0, 2**32), max_size=5).map(tuple),
    dict[str, int]: st.dictionaries(st.text(max_size=10), st.integers(0, 2**32), max_size=5),
}


@st.composite
def calls(draw: st.DrawFn) -> Any:
    cls = METHODS[draw(st.sampled_from(sorted(METHODS)))]
    hints = typing.get_type_hints(cls)
    values = {}
    for field in dataclasses.fields(cls):
        allowed = field.metadata.get("allowed")
        values[field.name] = draw(st.sampled_from(allowed) if allowed else by_type[hints[field.name]])
    return cls(**values)


def membership(**changes: object) -> dict[str, object]:
    return {"group": "ff1e::101", "filter_mode": "include", "sources": ["2001:db8::1"], **changes}


def refused(cls: type[Any], wire: object, **caps: int) -> RpcParameterError:
    with pytest.raises(RpcParameterError) as caught:
        decode_params(cls, wire, **caps)
    return caught.value


@given(calls())
def test_every_call_survives_the_wire(call: Any) -> None:
    wire = msgpack.unpackb(msgpack.packb(encode_params(call)))
    assert decode_params(type(call), wire) == call


def test_defaults_may_be_left_out_and_others_not() -> None:
    wire = {"handover_id": "h", "mn_id": "m", "outcome": "failed"}
    assert decode_params(ReleaseForwarding, wire) == ReleaseForwarding(handover_id="h", mn_id="m", outcome="failed")
    assert refused(ReleaseForwarding, {"handover_id": "h", "mn_id": "m"}).field == "outcome"


@pytest.mark.parametrize("packets", [5, ["5"], [1, -1], [True], [1.5], [0] * 1025, None])
def test_bad_counts(packets: object) -> None:
    wire = {"handover_id": "h", "mn_id": "m", "path": "tunnel", "begins_at": 1.0, "interval_s": 0.005, "packets": packets}
    assert str(refused(PacketCounts, wire)) == "packets: allowed: a list of at most 1024 whole numbers from 0"


@pytest.mark.parametrize("key", ["colour", b"mn_id", "x" * 5000])
def test_unknown_fields_are_named(key: object) -> None:
    error = refused(MembershipReported, {"mn_id": "m", "memberships": [], key: 1})
    assert len(error.field) <= 100
    assert "takes mn_id, memberships" in str(error)


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (5, "memberships[0]"),
        ({"group": "ff1e::1"}, "memberships[0]"),
        (membership(group="2001:db8::1"), "memberships[0].group"),
        (membership(group=2**127 + 2**126), "memberships[0].group"),
        (membership(group=b"\xff\x1e" + bytes(14)), "memberships[0].group"),
        (membership(group="ff12::1%eth0"), "memberships[0].group"),
        (membership(group="x" * 5000), "memberships[0].group"),
        (membership(filter_mode="none"), "memberships[0].filter_mode"),
        (membership(filter_mode=["include"]), "memberships[0].filter_mode"),
        (membership(sources=None), "memberships[0].sources"),
        (membership(sources=["2001:db8::1", 7]), "memberships[0].sources[1]"),
    ],
)
def test_bad_memberships(item: object, field: str) -> None:
    error = refused(MembershipReported, {"mn_id": "m", "memberships": [item]})
    assert error.field == field
    assert len(str(error)) < 1200


def test_lists_are_capped() -> None:
    wire = {"mn_id": "m", "memberships": [membership(group=f"ff1e::{n:x}") for n in range(51)]}
    assert refused(MembershipReported, wire).field == "memberships"
    wire = {"mn_id": "m", "memberships": [membership(sources=["2001:db8::1", "2001:db8::2"])]}
    assert refused(MembershipReported, wire, sources_max=1).field == "memberships[0].sources"


def test_one_group_has_one_state() -> None:
    wire = {"mn_id": "m", "memberships": [membership(), membership(filter_mode="exclude")]}
    assert refused(MembershipReported, wire).field == "memberships[1].group"


@pytest.mark.parametrize(
    ("field", "value"),
    [("step", 12), ("step", True), ("step", 1.0), ("at", float("nan")), ("at", float("inf")), ("at", "now"),
     ("at", True), ("name", "x" * 1025), ("mn_id", None)],
)
def test_bad_step(field: str, value: object) -> None:
    wire = {"handover_id": "h", "mn_id": "m", "step": 4, "name": "n", "at": 1}
    assert decode_params(StepReached, wire).at == 1.0
    assert refused(StepReached, {**wire, field: value}).field == field


@pytest.mark.parametrize("counters", [[], {"a": True}, {"a": 1.5}, {"a" * 1025: 1}, {str(n): n for n in range(257)}])
def test_bad_counters(counters: object) -> None:
    wire = {"handover_id": "h", "mn_id": "m", "counters": counters}
    assert refused(METHODS["handover.buffer_report"], wire).field == "counters"


@pytest.mark.parametrize("attached", ["mn1", {"mn1": 1}, ["mn1", 2], ["x" * 1025], ["mn"] * 4097])
def test_bad_names(attached: object) -> None:
    assert refused(METHODS["agent.synchronised"], {"attached": attached}).field == "attached"


def test_outcome_is_one_of_three() -> None:
    wire = {"handover_id": "h", "mn_id": "m", "outcome": "lost"}
    assert str(refused(ReleaseForwarding, wire)) == "outcome: found lost, allowed: completed, cancelled, failed"


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_and_field_is_documented(method: str) -> None:
    rows = [row for row in DOCUMENT.read_text().splitlines() if row.startswith(f"| `{method}`")]
    assert len(rows) == 1
    for field in dataclasses.fields(METHODS[method]):
        assert f"`{field.name}`" in rows[0]


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_is_documented(code: ErrorCode) -> None:
    assert f"| `{code.value}` |" in DOCUMENT.read_text()
