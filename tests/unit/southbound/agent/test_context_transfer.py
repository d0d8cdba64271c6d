# SPDX-License-Identifier: Apache-2.0
"""CXTP at a MAG's core: nothing that comes from elsewhere stops it, is believed unasked, or learns what it may not."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from southbound.agent.commands import CallController, Command, SendContextTransfer, SendMobilityHeader
from southbound.agent.events import ContextTransferReceived, ControllerAnswered, LinkDown, LinkUp
from southbound.agent.home_networks import address_of
from southbound.agent.mag import MagCore
from southbound.codec.cxtp import (
    ContextDataBlock,
    ContextTransferData,
    ContextTransferDataReply,
    ContextTransferMessage,
    ContextTransferRequest,
    decode_context_transfer,
    encode_context_transfer,
    listener_block,
)
from southbound.codec.iana import FeatureProfileType, Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord
from tests.support.domains import three_mags
from topology.model import Domain

DOMAIN = three_mags("rfc", "context-transfer")
MN1 = DOMAIN.mobile_nodes[0]
MAG1, MAG2, MAG3 = DOMAIN.mags
GROUP = IPv6Address("ff1e::101")
BLOCK = listener_block(
    MN1.home_network_prefixes[0], MulticastAddressRecord(record_type=Mldv2RecordType.MODE_IS_EXCLUDE, group=GROUP)
)


def core(domain: Domain = DOMAIN, number: int = 0) -> MagCore:
    return MagCore(
        domain, domain.mags[number], new_handover_id=lambda: "ho-1", wall_offset=1_760_000_000.0
    )


def hear(mag: MagCore, message: ContextTransferMessage, source: IPv6Address, now: float = 1.0) -> list[Command]:
    return mag.handle(ContextTransferReceived(datagram=encode_context_transfer(message), source=source), now)


def answers(commands: list[Command]) -> list[ContextTransferMessage]:
    return [decode_context_transfer(one.datagram) for one in commands if isinstance(one, SendContextTransfer)]


def updates(commands: list[Command]) -> int:
    return sum(isinstance(command, SendMobilityHeader) for command in commands)


def waiting(mag: MagCore) -> str:
    """MN1 has come to this MAG; the token of the question to the controller."""
    calls = [one for one in mag.handle(LinkUp(port="mn1"), 0.0) if isinstance(one, CallController)]
    return calls[0].token


def asked(mag: MagCore, previous: str = "mag2") -> ContextTransferMessage:
    answered = ControllerAnswered(token=waiting(mag), error=None, result={"previous_mag": previous})
    (request,) = answers(mag.handle(answered, 0.001))
    return request


REQUEST = ContextTransferRequest(previous_address=address_of(MN1), sequence=1)
DATA = ContextTransferData(previous_address=address_of(MN1), acknowledge=True, blocks=(BLOCK,))


def test_the_mobile_node_is_named_by_an_address_of_its_prefix() -> None:
    assert address_of(MN1) == IPv6Address("2001:db8:100:1:0:ff:fe00:11")
    assert address_of(MN1) in MN1.home_network_prefixes[0]


def test_only_mags_are_heard() -> None:
    mag = core()
    for source in (IPv6Address("2001:db8:ff::99"), DOMAIN.lma.address, MAG1.address):
        assert answers(hear(mag, REQUEST, source)) == []
    assert mag.counters["context_transfer_of_unknown_peer"] == 3


def test_an_unknown_mobile_node_is_answered_without_blocks() -> None:
    mag = core()
    stranger = IPv6Address("2001:db8:999::1")
    request = ContextTransferRequest(previous_address=stranger, sequence=1)
    assert answers(hear(mag, request, MAG2.address)) == [ContextTransferData(previous_address=stranger)]
    assert answers(hear(mag, REQUEST, MAG2.address)) == [ContextTransferData(previous_address=address_of(MN1))]


def test_a_mag_that_may_not_have_the_mobile_node_learns_nothing() -> None:
    nodes = tuple(replace(node, mags=("mag1", "mag3")) for node in DOMAIN.mobile_nodes)
    mag = core(replace(DOMAIN, mobile_nodes=nodes))
    mag.handle(ControllerAnswered(token=waiting(mag), error="away"), 0.0)
    assert answers(hear(mag, REQUEST, MAG2.address)) == [ContextTransferData(previous_address=address_of(MN1))]
    assert mag.counters["context_transfer_prohibited"] == 1


def test_data_that_nobody_has_asked_for_is_not_believed() -> None:
    mag = core()
    asked(mag, "mag2")
    for source in (MAG3.address, MAG2.address):
        commands = hear(mag, DATA, source)
        assert updates(commands) == (source == MAG2.address)
    assert mag.counters["context_transfer_data_unexpected"] == 1
    hear(mag, DATA, MAG2.address)
    assert mag.counters["context_transfer_data_unexpected"] == 2


def test_blocks_that_are_no_use_are_named_in_the_reply() -> None:
    mag = core()
    asked(mag)
    odd = ContextDataBlock(profile=FeatureProfileType(9), data=bytes(4))
    short = ContextDataBlock(profile=FeatureProfileType.MLDV2_LISTENER, data=bytes(12))
    commands = hear(mag, replace(DATA, blocks=(odd, BLOCK, short)), MAG2.address)
    (reply,) = answers(commands)
    assert reply == ContextTransferDataReply(
        previous_address=address_of(MN1), success=False,
        statuses=((FeatureProfileType(9), 1), (FeatureProfileType.IPV6_MULTICAST_LISTENER, 0),
                  (FeatureProfileType.MLDV2_LISTENER, 1)),
    )
    assert mag.counters["context_records_ignored"] == 2
    assert [m.group for m in mag.snapshot().memberships[MN1.id]] == [GROUP]


def test_groups_that_the_mobile_node_may_not_have_are_not_installed() -> None:
    nodes = tuple(replace(node, allowed_groups=()) for node in DOMAIN.mobile_nodes)
    mag = core(replace(DOMAIN, mobile_nodes=nodes))
    asked(mag)
    assert updates(hear(mag, DATA, MAG2.address)) == 1
    assert mag.snapshot().memberships[MN1.id] == ()
    assert mag.counters["context_groups_not_allowed"] == 1


def test_a_reply_that_is_for_nobody_is_counted() -> None:
    mag = core()
    hear(mag, ContextTransferDataReply(previous_address=address_of(MN1), success=True), MAG2.address)
    assert mag.counters["context_transfer_reply_unexpected"] == 1


@pytest.mark.parametrize(
    "result", [None, {}, [], "mag2", {"previous_mag": 5}, {"previous_mag": "mag9"}, {"previous_mag": "mag1"}]
)
def test_whatever_the_controller_answers_the_mobile_node_is_registered(result: Any) -> None:
    mag = core()
    commands = mag.handle(ControllerAnswered(token=waiting(mag), error=None, result=result), 0.001)
    assert (updates(commands), answers(commands)) == (1, [])


def test_an_answer_for_an_earlier_attachment_is_none() -> None:
    mag = core()
    token = waiting(mag)
    mag.handle(LinkDown(port="mn1"), 0.1)
    waiting(mag)
    stale = ControllerAnswered(token=token, error=None, result={"previous_mag": "mag2"})
    assert mag.handle(stale, 0.2) == []


def test_requests_back_off_and_end_with_the_wait() -> None:
    mag = core()
    asked(mag)
    sent, registered, now = [0.001], 0.0, 0.0
    while (due := mag.next_deadline()) is not None and due < 3.0:
        now = due
        commands = mag.tick(now)
        sent += [now for _ in answers(commands)]
        registered = registered or (now if updates(commands) else 0.0)
    assert [round(at, 3) for at in sent] == [0.001, 0.101, 0.301]
    assert registered == 0.7
    assert mag.snapshot().outstanding == ()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([MAG2.address, MAG3.address, IPv6Address("::1")]))
def test_no_datagram_stops_the_core(datagram: bytes, source: IPv6Address) -> None:
    mag = core()
    asked(mag)
    mag.handle(ContextTransferReceived(datagram=datagram, source=source), 0.01)
    assert updates(hear(mag, DATA, MAG2.address)) <= 1
