# SPDX-License-Identifier: Apache-2.0
"""ICMPv6 errors: octets after RFC 4443, judged by scapy; and what is never answered, whatever a packet holds."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.codec.errors import DecodeError
from southbound.codec.icmpv6_error import (
    MINIMUM_MTU,
    NOT_ANSWERED,
    DestinationUnreachable,
    Icmpv6Error,
    PacketTooBig,
    ParameterProblem,
    TimeExceeded,
    UnreachableCode,
    decode_invoking,
    encode_icmpv6_error,
    why_not,
)
from southbound.codec.ipv6 import Ipv6Packet, encode_ipv6, upper_layer_checksum

ROUTER = IPv6Address("2001:db8:ff::1")
HOST, NODE = IPv6Address("2001:db8:c0::10"), IPv6Address("2001:db8:100:1::5")
ERRORS: tuple[Icmpv6Error, ...] = (
    TimeExceeded(), PacketTooBig(1452), DestinationUnreachable(UnreachableCode.NO_ROUTE),
    DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE), ParameterProblem(41),
)
WORDS = {2: "000005ac", 4: "00000029"}
UDP, ICMPV6, FRAGMENT, HOP_BY_HOP, AUTHENTICATION = 17, 58, 44, 0, 51
ECHO_REQUEST, REDIRECT = b"\x80\0\0\0\0\1\0\1", b"\x89\0" + bytes(38)
DATAGRAM = bytes.fromhex("1389138900109c40") + b"datagram"


def packet(
    payload: bytes = DATAGRAM, next_header: int = UDP, source: IPv6Address = HOST, destination: IPv6Address = NODE,
) -> bytes:
    return encode_ipv6(Ipv6Packet(
        source=source, destination=destination, next_header=next_header, payload=payload, hop_limit=1
    ))


def reason(data: bytes, error: Icmpv6Error | None = None) -> str | None:
    return why_not(error or TimeExceeded(), decode_invoking(data))


@pytest.mark.parametrize(("error", "start"), [
    (TimeExceeded(), "0300"), (PacketTooBig(1452), "0200"), (ERRORS[2], "0100"), (ERRORS[3], "0103"),
    (ERRORS[4], "0400"),
])
def test_an_error_is_type_code_checksum_word_and_the_packet(error: Icmpv6Error, start: str) -> None:
    """RFC 4443 sections 3.1 to 3.4."""
    invoking = packet()
    octets = encode_icmpv6_error(error, decode_invoking(invoking + b"padding of the link"), ROUTER)
    assert octets[6] == ICMPV6
    assert octets[8:24] == ROUTER.packed
    assert octets[24:40] == HOST.packed
    assert octets[40:42].hex() == start
    assert octets[44:48].hex() == WORDS.get(error.TYPE, "00000000")
    assert octets[48:] == invoking
    assert upper_layer_checksum(ROUTER, HOST, ICMPV6, octets[40:]) == 0


@pytest.mark.parametrize("error", ERRORS)
def test_scapy_reads_the_same(error: Icmpv6Error) -> None:
    inet6: Any = pytest.importorskip("scapy.layers.inet6")
    octets = encode_icmpv6_error(error, decode_invoking(packet()), ROUTER)
    found = inet6.IPv6(octets)
    kinds = {
        1: inet6.ICMPv6DestUnreach, 2: inet6.ICMPv6PacketTooBig, 3: inet6.ICMPv6TimeExceeded, 4: inet6.ICMPv6ParamProblem,
    }
    message = found[kinds[error.TYPE]]
    assert (message.type, message.code) == (error.TYPE, error.code)
    assert found[inet6.IPerror6].dst == str(NODE)
    checksum, message.cksum = message.cksum, None
    assert inet6.IPv6(bytes(found))[kinds[error.TYPE]].cksum == checksum


@pytest.mark.parametrize(("data", "expected"), [
    (packet(), None),
    (packet(ECHO_REQUEST, ICMPV6), None),
    (packet(destination=IPv6Address("ff1e::101")), "multicast_destination"),  # e.3
    (packet(source=IPv6Address("::")), "no_single_source"),  # e.6
    (packet(source=IPv6Address("ff02::1")), "no_single_source"),
    (packet(source=IPv6Address("::1")), "no_single_source"),
    (packet(source=IPv6Address("fe80::1")), "link_local_source"),
    (packet(b"\3\0" + bytes(46), ICMPV6), "icmpv6_error"),  # e.1
    (packet(b"\x64\0" + bytes(6), ICMPV6), "icmpv6_error"),  # an error that nobody knows is one, too
    (packet(REDIRECT, ICMPV6), "icmpv6_redirect"),  # e.2
    (packet(b"", ICMPV6), "upper_layer_unknown"),
    (packet(bytes((ICMPV6, 0, 1, 4, 0, 0, 0, 0)) + b"\1\0", HOP_BY_HOP), "icmpv6_error"),
    (packet(bytes((ICMPV6, 0, 1, 4, 0, 0, 0, 0)) + ECHO_REQUEST, HOP_BY_HOP), None),
    (packet(bytes((ICMPV6, 9, 0)), HOP_BY_HOP), "upper_layer_unknown"),
    (packet(bytes((ICMPV6, 4)) + bytes(22) + b"\1\0", AUTHENTICATION), "icmpv6_error"),
    (packet(bytes((ICMPV6, 0, 0, 1)) + bytes(4) + b"\1\0", FRAGMENT), "icmpv6_error"),
    (packet(bytes((ICMPV6, 0, 0, 9)) + bytes(4) + b"\x80\0", FRAGMENT), "upper_layer_unknown"),
    (packet(bytes((UDP, 0, 0, 9)) + bytes(12), FRAGMENT), None),
])
def test_what_is_not_answered(data: bytes, expected: str | None) -> None:
    """RFC 4443 section 2.4 e."""
    assert reason(data) == expected


def test_packet_too_big_alone_is_said_of_groups() -> None:
    """RFC 4443 section 2.4 e.3: for Path MTU discovery of a group."""
    to_group = packet(destination=IPv6Address("ff1e::101"))
    assert reason(to_group, PacketTooBig(1452)) is None
    assert reason(to_group, DestinationUnreachable(UnreachableCode.NO_ROUTE)) == "multicast_destination"


def test_what_is_no_ipv6_packet_is_refused_by_name() -> None:
    for data, expected in ((b"", "truncated"), (packet()[:39], "truncated"), (b"\x45" + bytes(60), "bad_ip_version")):
        with pytest.raises(DecodeError) as caught:
            decode_invoking(data)
        assert caught.value.reason == expected


addresses = st.one_of(
    st.sampled_from([HOST, NODE, IPv6Address("ff02::1"), IPv6Address("fe80::1"), IPv6Address("::")]),
    st.integers(0, 2**128 - 1).map(IPv6Address),
)


@given(
    error=st.sampled_from(ERRORS), payload=st.binary(max_size=2000), next_header=st.integers(0, 255),
    source=addresses, destination=addresses,
)
def test_no_error_is_long_nor_about_an_error_nor_about_a_group(
    error: Icmpv6Error, payload: bytes, next_header: int, source: IPv6Address, destination: IPv6Address
) -> None:
    invoking = decode_invoking(packet(payload, next_header, source, destination))
    why = why_not(error, invoking)
    if why is not None:
        assert why in NOT_ANSWERED
        return
    assert not source.is_multicast
    assert not destination.is_multicast or isinstance(error, PacketTooBig)
    assert next_header != ICMPV6 or payload[0] >= 128
    answer = encode_icmpv6_error(error, invoking, ROUTER)
    assert len(answer) <= MINIMUM_MTU
    # The answer to an answer: nobody would give it.
    assert why_not(error, decode_invoking(answer)) == "icmpv6_error"


@given(st.binary(max_size=200))
def test_any_octets_are_a_packet_or_refused(data: bytes) -> None:
    if len(data) < 40 or data[0] >> 4 != 6:
        with pytest.raises(DecodeError, match=r"truncated|bad_ip_version"):
            decode_invoking(data)
    else:
        assert why_not(TimeExceeded(), decode_invoking(data)) in NOT_ANSWERED | {None}
