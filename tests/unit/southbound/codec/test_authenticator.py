# SPDX-License-Identifier: Apache-2.0
"""The authenticator of a Mobility Header: octets that openssl and scapy make, too, and nothing gets past it."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from ipaddress import IPv6Address
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from southbound.codec.authenticator import OPTION_OCTETS, append_authenticator, pair_key, take_authenticator
from southbound.codec.castover_options import MobilityAuthenticator
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.handover import Dialect
from southbound.codec.mobility import UnknownMobilityMessage, decode_mobility, encode_mobility
from tests.unit.southbound.codec.codec_strategies import MESSAGES, ipv6
from tests.unit.southbound.codec.codec_vectors import vector

with warnings.catch_warnings():
    # scapy's own use of what cryptography deprecates is not ours to answer for.
    warnings.simplefilter("ignore")
    inet6 = pytest.importorskip("scapy.layers.inet6")

DOMAIN_KEY = bytes(range(32))
P_MAG, N_MAG, LMA = IPv6Address("2001:db8:a::1"), IPv6Address("2001:db8:b::1"), IPv6Address("2001:db8:f::1")
PAIR_KEY = bytes.fromhex("06347e8c1e24a4ee092172582512a978f198694874b238ddf2dd1002f46c83c0")
"""Of P_MAG and N_MAG, by `openssl dgst -sha256 -mac HMAC -macopt hexkey:0001...1f` over the label and both addresses."""
AUTHENTICATOR = bytes.fromhex("8a6ae0e26075335492dab6761a6da556")
"""Of vector v01 with the option behind it, by openssl with PAIR_KEY, from octets that were put together by hand."""
OPTION = bytes.fromhex("1316 00007ed9 05 01") + AUTHENTICATOR
V01 = vector(1).packet[40:]
KEY, OTHER_KEY = b"k" * 32, b"o" * 32

messages = st.sampled_from(sorted(MESSAGES)).flatmap(lambda name: MESSAGES[name])


def dgst(key: bytes, octets: bytes) -> bytes:
    """HMAC-SHA-256 by openssl."""
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"]
    return subprocess.run(command, input=octets, capture_output=True, check=True, timeout=60).stdout


def refusal(header: bytes, source: IPv6Address, destination: IPv6Address, *keys: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        take_authenticator(header, source, destination, keys)
    return caught.value.reason


def test_the_octets_are_those_that_were_computed_elsewhere() -> None:
    assert pair_key(DOMAIN_KEY, P_MAG, N_MAG) == PAIR_KEY
    signed = append_authenticator(V01, P_MAG, N_MAG, PAIR_KEY)
    assert signed[-OPTION_OCTETS:] == OPTION
    assert signed[:1] + signed[2:4] + signed[6:-OPTION_OCTETS] == V01[:1] + V01[2:4] + V01[6:]
    assert signed[1] == V01[1] + 3
    unsummed = signed[:4] + b"\0\0" + signed[6:]
    checksum = inet6.in6_chksum(135, inet6.IPv6(src=str(P_MAG), dst=str(N_MAG)), unsummed)
    assert signed[4:6] == checksum.to_bytes(2, "big")
    assert take_authenticator(signed, P_MAG, N_MAG, [PAIR_KEY]) == V01


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to compare with")
@pytest.mark.parametrize("number", [1, 4, 8, 9])
def test_openssl_computes_the_same(number: int) -> None:
    item = vector(number)
    header, source, destination = item.packet[40:], item.source, item.destination
    low, high = sorted((source, destination))
    key = dgst(DOMAIN_KEY, b"castover mobility header" + low.packed + high.packed)
    option = OPTION[:8] + bytes(16)
    covered = header[:1] + bytes((header[1] + 3,)) + header[2:4] + b"\0\0" + header[6:] + option
    signed = append_authenticator(header, source, destination, pair_key(DOMAIN_KEY, source, destination))
    assert signed[-16:] == dgst(key, source.packed + destination.packed + covered)[:16]


@settings(deadline=None)
@given(message=messages, source=ipv6, destination=ipv6)
def test_any_message_comes_back_as_it_was(message: Any, source: IPv6Address, destination: IPv6Address) -> None:
    header = encode_mobility(message, source, destination)
    signed = append_authenticator(header, source, destination, KEY)
    assert len(signed) == len(header) + OPTION_OCTETS
    assert take_authenticator(signed, source, destination, [KEY]) == header


@settings(deadline=None, max_examples=300)
@given(message=messages, bit=st.integers(0, 10**6), mended=st.booleans())
def test_any_flipped_bit_is_refused(message: Any, bit: int, mended: bool) -> None:
    """Also when the checksum is made to fit again, as whoever forges a message would."""
    signed = bytearray(append_authenticator(encode_mobility(message, P_MAG, LMA), P_MAG, LMA, KEY))
    bit %= 8 * len(signed)
    signed[bit // 8] ^= 0x80 >> bit % 8
    if mended:
        assume(bit // 8 not in (4, 5))
        unsummed = bytes(signed[:4]) + b"\0\0" + bytes(signed[6:])
        checksum = inet6.in6_chksum(135, inet6.IPv6(src=str(P_MAG), dst=str(LMA)), unsummed)
        signed[4:6] = checksum.to_bytes(2, "big")
    expected = {"authenticator_missing", "authenticator_wrong", "header_length_mismatch"}
    assert refusal(bytes(signed), P_MAG, LMA, KEY) in (expected if mended else expected | {"bad_checksum"})


def test_what_somebody_else_signed_is_refused() -> None:
    header = encode_mobility(vector(1).message, P_MAG, N_MAG)
    assert refusal(header, P_MAG, N_MAG, KEY) == "authenticator_missing"
    signed = append_authenticator(header, P_MAG, N_MAG, KEY)
    assert refusal(signed, P_MAG, N_MAG, OTHER_KEY) == "authenticator_wrong"
    assert refusal(signed, P_MAG, N_MAG) == "authenticator_wrong"
    # The checksum of swapped addresses is the same: only the authenticator knows who spoke to whom.
    assert refusal(signed, N_MAG, P_MAG, KEY) == "authenticator_wrong"


def test_two_keys_are_accepted_at_once() -> None:
    header = encode_mobility(vector(1).message, P_MAG, N_MAG)
    for key in (KEY, OTHER_KEY):
        assert take_authenticator(append_authenticator(header, P_MAG, N_MAG, key), P_MAG, N_MAG, [KEY, OTHER_KEY]) == header


def test_pairs_have_keys_of_their_own() -> None:
    keys = {pair_key(DOMAIN_KEY, one, other) for one, other in ((P_MAG, N_MAG), (P_MAG, LMA), (N_MAG, LMA))}
    assert len(keys) == 3
    assert pair_key(DOMAIN_KEY, N_MAG, P_MAG) == PAIR_KEY
    assert pair_key(KEY, P_MAG, N_MAG) != PAIR_KEY


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_octets_are_refused_with_a_reason(octets: bytes) -> None:
    assert refusal(octets, P_MAG, N_MAG, KEY) in (
        "truncated", "header_length_mismatch", "bad_checksum", "authenticator_missing", "authenticator_wrong",
    )


def test_a_message_without_room_for_it_is_our_own_mistake() -> None:
    longest = UnknownMobilityMessage(message_type=vector(1).message.TYPE, data=bytes(2042))
    header = encode_mobility(longest, P_MAG, N_MAG)
    assert len(header) == 2048
    with pytest.raises(EncodeError, match="2072 octets, allowed: 2048"):
        append_authenticator(header, P_MAG, N_MAG, KEY)


def test_who_checks_nothing_reads_the_message_as_before() -> None:
    """A vendor option that is not understood is passed over (RFC 5094 section 2)."""
    signed = append_authenticator(V01, P_MAG, N_MAG, PAIR_KEY)
    message, before = (decode_mobility(header, P_MAG, N_MAG, Dialect.RFC) for header in (signed, V01))
    assert not isinstance(message, UnknownMobilityMessage)
    assert not isinstance(before, UnknownMobilityMessage)
    assert message.options == (*before.options, MobilityAuthenticator(authenticator=AUTHENTICATOR))
