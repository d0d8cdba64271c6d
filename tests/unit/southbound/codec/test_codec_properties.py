# SPDX-License-Identifier: Apache-2.0
"""What is written can be read back, and no octets make a decoder do anything but decode or raise DecodeError."""

from __future__ import annotations

import ast
import contextlib
import sys
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from southbound import codec
from southbound.codec.cursor import Cursor
from southbound.codec.errors import DECODE_REASONS, DecodeError
from southbound.codec.ethernet import EthernetFrame, decode_ethernet, encode_ethernet
from southbound.codec.iana import MobilityHeaderType, OptionType
from southbound.codec.ipv6 import Ipv6Packet, decode_ipv6, encode_ipv6
from southbound.codec.mld import decode_mld, encode_mld
from southbound.codec.mld_packet import decode_mld_packet
from southbound.codec.mobility import (
    MOBILITY_MESSAGES,
    Dialect,
    decode_mobility,
    decode_mobility_packet,
    encode_mobility,
    encode_mobility_packet,
)
from southbound.codec.options import MOBILITY_OPTIONS, decode_options, encode_options
from tests.unit.southbound.codec.codec_strategies import (
    MESSAGES,
    MLD_MESSAGES,
    OPTIONS,
    PLAIN_OPTIONS,
    WORD_COUNTED_OPTIONS,
    flag,
    ipv6,
    u8,
    u16,
)
from tests.unit.southbound.codec.codec_vectors import MLD_VECTORS, MOBILITY_VECTORS

SOURCE = IPv6Address("2001:db8:a::1")
DESTINATION = IPv6Address("2001:db8:b::1")
UNHURRIED = settings(deadline=None)
"""How long one example takes says more about the machine than about the code."""
dialects = st.sampled_from(Dialect)
starts = st.sampled_from((8, 10, 12))


def test_the_codec_imports_the_standard_library_and_itself_only() -> None:
    for path in Path(codec.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                inside = name.startswith("southbound.codec.")
                assert inside or name.split(".")[0] in sys.stdlib_module_names, f"{path.name} imports {name}"
                assert name.split(".")[0] not in {"socket", "time", "random", "datetime"}


def test_the_tables_keep_their_size() -> None:
    assert len(MOBILITY_OPTIONS) >= 16
    assert len(MOBILITY_MESSAGES) >= 5
    assert len(OPTIONS) >= 21
    assert set(MOBILITY_MESSAGES) == {kind.TYPE for kind in MOBILITY_MESSAGES.values()}


@pytest.mark.parametrize("kind", PLAIN_OPTIONS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("unit", ["words", "octets"])
@UNHURRIED
@given(data=st.data(), start=starts)
def test_every_option_comes_back(kind: type[Any], unit: str, data: st.DataObject, start: int) -> None:
    _there_and_back(data.draw(PLAIN_OPTIONS[kind]), start, unit)


@pytest.mark.parametrize("kind", WORD_COUNTED_OPTIONS, ids=lambda kind: kind.__name__)
@UNHURRIED
@given(data=st.data(), start=starts)
def test_every_word_counted_option_comes_back(kind: type[Any], data: st.DataObject, start: int) -> None:
    option = data.draw(WORD_COUNTED_OPTIONS[kind])
    _there_and_back(option, start, "words")
    if len(option.encode_data()) <= 255:
        _there_and_back(option, start, "octets")


def _there_and_back(option: Any, start: int, unit: str) -> None:
    octets = encode_options((option,), start, option_length_unit=unit)
    assert (start + len(octets)) % 8 == 0
    assert decode_options(Cursor(bytes(start) + octets, start), option_length_unit=unit) == (option,)
    if hasattr(option, "ALIGNMENT"):
        modulus, residue = option.ALIGNMENT
        at = next(at for at in range(8) if octets[at] == option.TYPE and not any(octets[2:at]))
        assert (start + at) % modulus == residue


@pytest.mark.parametrize("name", MESSAGES)
@UNHURRIED
@given(data=st.data(), source=ipv6, destination=ipv6)
def test_every_message_comes_back(
    name: str, data: st.DataObject, source: IPv6Address, destination: IPv6Address
) -> None:
    message = data.draw(MESSAGES[name])
    dialect = getattr(message, "dialect", Dialect.DRAFT)
    header = encode_mobility(message, source, destination)
    assert len(header) == 8 * (header[1] + 1)
    assert decode_mobility(header, source, destination, dialect) == message
    packet = encode_mobility_packet(message, source, destination)
    assert decode_mobility_packet(packet, dialect).message == message


@pytest.mark.parametrize("name", MLD_MESSAGES)
@UNHURRIED
@given(data=st.data(), source=ipv6, destination=ipv6)
def test_every_mld_message_comes_back(
    name: str, data: st.DataObject, source: IPv6Address, destination: IPv6Address
) -> None:
    message = data.draw(MLD_MESSAGES[name])
    assert decode_mld(encode_mld(message, source, destination), source, destination) == message


@UNHURRIED
@given(
    packet=st.builds(
        Ipv6Packet,
        source=ipv6,
        destination=ipv6,
        next_header=u8.filter(lambda value: value not in (0, 44)),
        payload=st.binary(max_size=100),
        hop_limit=u8,
        router_alert=st.none() | u16,
        traffic_class=u8,
        flow_label=st.integers(0, (1 << 20) - 1),
    ),
    trailer=st.binary(max_size=20),
)
def test_ipv6_packets_come_back_without_link_layer_padding(packet: Ipv6Packet, trailer: bytes) -> None:
    assert decode_ipv6(encode_ipv6(packet) + trailer) == packet


@UNHURRIED
@given(
    frame=st.builds(
        EthernetFrame,
        destination=st.binary(min_size=6, max_size=6),
        source=st.binary(min_size=6, max_size=6),
        ethertype=u16,
        payload=st.binary(max_size=100),
    )
)
def test_ethernet_frames_come_back(frame: EthernetFrame) -> None:
    assert decode_ethernet(encode_ethernet(frame)) == frame


@contextlib.contextmanager
def _only_decode_errors() -> Any:
    caught: DecodeError | None = None
    try:
        yield
    except DecodeError as error:
        caught = error
    if caught is not None:
        assert caught.reason in DECODE_REASONS
        assert caught.offset >= 0
        assert caught.field


@UNHURRIED
@given(octets=st.binary(max_size=300), dialect=dialects, unit=st.sampled_from(("words", "octets")))
def test_any_octets_decode_or_raise_decode_error(octets: bytes, dialect: Dialect, unit: str) -> None:
    with _only_decode_errors():
        decode_mobility_packet(octets, dialect, option_length_unit=unit)
    with _only_decode_errors():
        decode_mld_packet(octets)
    with _only_decode_errors():
        decode_mld(octets, SOURCE, DESTINATION)
    with _only_decode_errors():
        decode_ethernet(octets)
    with _only_decode_errors():
        decode_mobility(octets, SOURCE, DESTINATION, dialect, option_length_unit=unit, verify_checksum=False)


option_types = st.sampled_from(sorted(OptionType)) | u8


@UNHURRIED
@given(
    kind=st.sampled_from(sorted(MOBILITY_MESSAGES)),
    fixed=st.binary(min_size=6, max_size=6),
    parts=st.lists(st.tuples(option_types, u8 | st.integers(0, 24), st.binary(max_size=60), flag), max_size=6),
    dialect=dialects,
    unit=st.sampled_from(("words", "octets")),
)
def test_octets_that_look_like_options_decode_or_raise_decode_error(
    kind: MobilityHeaderType,
    fixed: bytes,
    parts: list[tuple[int, int, bytes, bool]],
    dialect: Dialect,
    unit: str,
) -> None:
    body = fixed + b"".join(
        bytes((option, len(data) if honest else length)) + data for option, length, data, honest in parts
    )
    body += bytes(-(6 + len(body)) % 8)
    header = bytes((59, (6 + len(body)) // 8 - 1, kind, 0, 0, 0)) + body
    with _only_decode_errors():
        decode_mobility(header, SOURCE, DESTINATION, dialect, option_length_unit=unit, verify_checksum=False)


@UNHURRIED
@given(
    item=st.sampled_from([*MOBILITY_VECTORS, *MLD_VECTORS]),
    edits=st.lists(st.tuples(st.integers(0, 255), u8), min_size=1, max_size=6),
    length=st.integers(0, 255),
    dialect=dialects,
    unit=st.sampled_from(("words", "octets")),
)
def test_mutated_vectors_decode_or_raise_decode_error(
    item: Any, edits: list[tuple[int, int]], length: int, dialect: Dialect, unit: str
) -> None:
    mutated = bytearray(item.packet)
    for at, value in edits:
        mutated[at % len(mutated)] = value
    for packet in (bytes(mutated), bytes(mutated[:length])):
        with _only_decode_errors():
            decode_mobility(packet[40:], SOURCE, DESTINATION, dialect, option_length_unit=unit, verify_checksum=False)
        with _only_decode_errors():
            decode_mobility_packet(packet, dialect, option_length_unit=unit)
        with _only_decode_errors():
            decode_mld_packet(packet)
