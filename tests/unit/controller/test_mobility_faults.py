# SPDX-License-Identifier: Apache-2.0
"""Mobility Headers with a fault: who is told where it is, and that nothing else comes of them (RFC 6275 section 9.2)."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import pytest

from apps.mobility_packets import ReplyTo, frame_back, frame_event
from controller import events
from controller.commands import SendParameterProblem
from southbound.codec.ethernet import EthernetFrame, decode_ethernet, encode_ethernet
from southbound.codec.ipv6 import Ipv6Packet, decode_ipv6, encode_ipv6, upper_layer_checksum
from southbound.codec.mobility import encode_mobility
from tests.unit.controller.test_lma import LMA, MAG1, WALL, Core, kinds, pbu, picture

STRANGER = IPv6Address("2001:db8::bad")
PADDING_OF_THE_LINK = bytes(6)
TOLD = {"bad_payload_proto": (0, 17, 40), "header_too_short": (1, 0, 41)}
"""Octet of the header, what stands there, octet of the packet that the sender is told."""


def faulty(at: int, value: int, source: IPv6Address = MAG1, destination: IPv6Address = LMA) -> events.Event:
    """A PBU with this octet changed, and the checksum put right."""
    header = bytearray(encode_mobility(pbu(), source, destination))
    header[at] = value
    header[4:6] = b"\0\0"
    header[4:6] = upper_layer_checksum(source, destination, 135, bytes(header)).to_bytes(2, "big")
    packet = encode_ipv6(Ipv6Packet(source=source, destination=destination, next_header=135, payload=bytes(header)))
    frame = EthernetFrame(destination=b"o" * 6, source=b"n" * 6, payload=packet + PADDING_OF_THE_LINK)
    return frame_event(encode_ethernet(frame), LMA, "switch", 7, WALL)


@pytest.mark.parametrize("reason", TOLD)
def test_a_mag_is_told_what_is_wrong_with_its_header(reason: str) -> None:
    core = Core().bound()
    before = picture(core.core)
    at, value, pointer = TOLD[reason]
    event = faulty(at, value)
    assert isinstance(event, events.MobilityHeaderFaulty)
    (answer,) = kinds(core.tell(event, 5.0), SendParameterProblem)
    assert isinstance(answer, SendParameterProblem)
    packet = decode_ipv6(answer.packet)
    assert (packet.source, packet.destination, packet.next_header) == (LMA, MAG1, 58)
    assert upper_layer_checksum(LMA, MAG1, 58, packet.payload) == 0
    assert (packet.payload[:2], int.from_bytes(packet.payload[4:8], "big")) == (b"\4\0", pointer)
    assert packet.payload[8 + pointer] == value
    assert packet.payload[8:] + PADDING_OF_THE_LINK == event.packet
    assert picture(core.core) == before
    assert core.core.snapshot().counters[f"mobility_dropped.{reason}"] == 1


def test_it_is_told_so_once_a_second() -> None:
    """As of a Binding Error (RFC 6275 section 9.3.3)."""
    core = Core().bound()
    answers = [len(kinds(core.tell(faulty(0, 17), at), SendParameterProblem)) for at in (5.0, 5.3, 5.9, 6.0, 6.5)]
    assert answers == [1, 0, 0, 1, 0]
    assert core.core.snapshot().counters["mobility_dropped.bad_payload_proto"] == 5


def test_a_stranger_is_told_nothing() -> None:
    core = Core().bound()
    assert kinds(core.tell(faulty(0, 17, STRANGER), 5.0), SendParameterProblem) == []
    assert core.core.snapshot().counters["mobility_dropped.source_is_no_mag"] == 1


@pytest.mark.parametrize(("fault", "reason"), [
    ({"at": 1, "value": 200}, "header_length_mismatch"), ({"at": 0, "value": 17, "destination": MAG1}, "not_for_this_lma"),
])
def test_of_other_faults_nobody_is_told(fault: dict[str, Any], reason: str) -> None:
    assert faulty(**fault) == events.MobilityPacketDropped(reason=reason)


def test_the_answer_goes_back_to_the_neighbour_that_sent_the_packet() -> None:
    event = faulty(0, 17)
    assert isinstance(event, events.MobilityHeaderFaulty)
    reply_to = event.reply_to
    assert isinstance(reply_to, ReplyTo)
    assert (reply_to.datapath, reply_to.port) == ("switch", 7)
    frame = decode_ethernet(frame_back(b"\x60" + bytes(39), reply_to))
    assert (frame.destination, frame.source, frame.payload) == (b"n" * 6, b"o" * 6, b"\x60" + bytes(39))
