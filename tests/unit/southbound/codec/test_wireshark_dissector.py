# SPDX-License-Identifier: Apache-2.0
"""docs/wireshark/castover.lua in a real tshark: it shows what our messages say, and survives what others send."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from southbound.agent.handover_initiate import last_delivered_message
from southbound.codec.authenticator import append_authenticator
from southbound.codec.errors import EncodeError
from southbound.codec.handover import Dialect, HandoverAcknowledge, HandoverInitiate
from southbound.codec.ipv6 import Ipv6Packet, encode_ipv6
from southbound.codec.mobility import encode_mobility_packet
from southbound.codec.multicast_options import MulticastMobility
from tests.unit.southbound.codec.codec_strategies import MESSAGES
from tests.unit.southbound.codec.codec_vectors import MOBILITY_VECTORS, vector
from tests.unit.southbound.codec.test_codec_judges import write_pcap

DISSECTOR = Path(__file__).parents[4] / "docs" / "wireshark" / "castover.lua"
SOURCE, DESTINATION = IPv6Address("2001:db8:a::1"), IPv6Address("2001:db8:b::1")

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def tshark(directory: Path, packets: Iterable[bytes], *arguments: str) -> str:
    path = directory / "packets.pcap"
    write_pcap(path, packets)
    command = ["tshark", "-X", f"lua_script:{DISSECTOR}", "-r", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "Lua" not in done.stderr, done.stderr
    return done.stdout


def fields(directory: Path, packets: Iterable[bytes], *names: str, arguments: tuple[str, ...] = ()) -> list[list[str]]:
    wanted = [word for name in names for word in ("-e", name)]
    output = tshark(directory, packets, "-T", "fields", *wanted, *arguments)
    return [line.split("\t") for line in output.splitlines()]


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (1, {"mhtype": "14", "sequence": "4660", "flags.u": "1", "flags.p": "1", "flags.f": "0", "hi.code": "3",
             "mn_id": "mn1@example.net", "prefix": "2001:db8:100:1::", "link_layer_id": "02:00:00:00:00:11",
             "lma_address": "2001:db8:f::1"}),
        (2, {"multicast.option_code": "2", "multicast.records": "2", "record.type": "1,2",
             "group": "ff3e::8000:1,ff1e::101", "source": "2001:db8:c0::10"}),
        (3, {"mhtype": "15", "sequence": "4661", "hack.flags.p": "1", "hack.code": "5", "multicast.status": "3",
             "group": "ff1e::101"}),
        (4, {"sequence": "1", "flags.p": "1", "flags.f": "1", "hi.code": "0"}),
        (5, {"sequence": "4662", "flags.f": "1", "hi.code": "2"}),
        (6, {"mhtype": "14", "identifier": "4660", "draft.flags.u": "0", "draft.flags.f": "0", "draft.flags.m": "1",
             "hi.draft_code": "0", "group": "ff3e::8000:1,ff1e::101"}),
        (7, {"mhtype": "15", "identifier": "4660", "hack.code": "0", "mn_id": "mn1@example.net"}),
        (8, {"bu.flags.s": "0"}),
        (9, {"ba.flags.s": "0"}),
        (10, {"sequence": "8", "bu.flags": "0x8300", "lifetime": "75", "multicast.records": "2", "record.type": "1,2",
              "group": "ff3e::8000:1,ff1e::101", "source": "2001:db8:c0::10", "mn_id": "mn1@example.net"}),
        (11, {"bu.flags.s": "1", "subscription.type": "143,143", "record.type": "1,2",
              "group": "ff3e::8000:1,ff1e::101", "source": "2001:db8:c0::10"}),
        (16, {"flags.f": "1", "requested": "22,25", "gre_key": "287454020"}),
    ],
)
def test_it_shows_what_the_vectors_say(tmp_path: Path, number: int, wanted: dict[str, str]) -> None:
    packet = vector(number).packet
    assert fields(tmp_path, [packet], *(f"pfmip6.{name}" for name in wanted)) == [list(wanted.values())]
    assert "alformed" not in tshark(tmp_path, [packet], "-V")


@pytest.mark.parametrize("number", [1, 6, 10])
@pytest.mark.parametrize("records", [0, 1, 2])
def test_records_that_are_counted_and_not_there_are_marked(tmp_path: Path, number: int, records: int) -> None:
    """At the border of a record, too: there nothing is left that could be shown of it."""
    item = vector(number)
    one = bytes((1, 0, 0, 0)) + IPv6Address("ff1e::101").packed
    content = bytes((2, 0, 0, 0, 0, records + 1)) + records * one
    option = bytes((60, (len(content) - 2) // 4)) + content
    start = item.packet[40 : 40 + (10 if number == 1 else 12)]
    octets = start + bytes((1, 0) * (number == 1)) + option + bytes(-(len(start) + 2 * (number == 1) + len(option)) % 8)
    header = octets[:1] + bytes((len(octets) // 8 - 1,)) + octets[2:]
    packet = encode_ipv6(
        Ipv6Packet(source=item.source, destination=item.destination, next_header=135, payload=header)
    )
    found = fields(tmp_path, [packet], "pfmip6.multicast.records", "pfmip6.malformed", "pfmip6.group")
    assert found[0][0] == str(records + 1)
    assert found[0][1] != ""
    assert found[0][2] == ",".join(["ff1e::101"] * records)
    assert "Lua Error" not in tshark(tmp_path, [packet], "-V")


def test_messages_of_peers_with_both_length_units_are_read_in_one_capture(tmp_path: Path) -> None:
    packets = [vector(17).packet, vector(2).packet, vector(3).packet]
    assert vector(17).option_length_unit != vector(2).option_length_unit
    found = fields(tmp_path, packets, "pfmip6.group", "_ws.malformed", "pfmip6.malformed")
    assert found == [["ff3e::8000:1,ff1e::101", "", ""], ["ff3e::8000:1,ff1e::101", "", ""], ["ff1e::101", "", ""]]


@pytest.mark.parametrize(("number", "right", "wrong"), [
    (17, "octets (RFC 6275)", "32-bit words (RFC 7411)"), (2, "32-bit words (RFC 7411)", "octets (RFC 6275)"),
])
def test_the_length_unit_can_be_forced(tmp_path: Path, number: int, right: str, wrong: str) -> None:
    def read(unit: str) -> list[list[str]]:
        preference = ("-o", f"pfmip6.option_length_unit:{unit}")
        return fields(tmp_path, [vector(number).packet], "pfmip6.group", "pfmip6.malformed", arguments=preference)

    assert read(right) == [["ff3e::8000:1,ff1e::101", ""]]
    assert read(wrong) != read(right)


@pytest.mark.parametrize(
    ("dialect", "name"), [("draft-hui-multimob-fast-handover", "identifier"), ("RFC 5949", "sequence")]
)
def test_the_layout_can_be_forced(tmp_path: Path, dialect: str, name: str) -> None:
    found = fields(tmp_path, [vector(4).packet], f"pfmip6.{name}", arguments=("-o", f"pfmip6.dialect:{dialect}"))
    assert found[0][0] != ""


def test_our_vendor_options_have_names(tmp_path: Path) -> None:
    packets = [item.packet for item in MOBILITY_VECTORS]
    shown = tshark(tmp_path, packets, "-V", "-o", "pfmip6.option_length_unit:32-bit words (RFC 7411)")
    for text in ("Last Delivered", "Handover Identifier"):
        present = any(_carries(item.message, text.replace(" ", "")) for item in MOBILITY_VECTORS)
        assert (text in shown) == present


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 7, 8, 9, 11])
def test_an_authenticator_is_shown_in_every_message(tmp_path: Path, number: int) -> None:
    item = vector(number)
    header = append_authenticator(item.packet[40:], item.source, item.destination, bytes(32))
    packet = encode_ipv6(
        Ipv6Packet(source=item.source, destination=item.destination, next_header=135, payload=header)
    )
    found = fields(tmp_path, [packet], "pfmip6.authenticator.algorithm", "pfmip6.authenticator")
    assert found == [["1", header[-16:].hex()]]
    shown = tshark(tmp_path, [packet], "-V")
    assert "Sub-Type: Authenticator (5)" in shown
    assert "alformed" not in shown


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_word_on_the_last_packets_is_told_from_the_context(tmp_path: Path, dialect: Dialect) -> None:
    word = last_delivered_message(
        dialect, 7, mn_id="mn1", handover_id="ho-1", last_delivered={(SOURCE, IPv6Address("ff1e::101")): (bytes(8),)}
    )
    found = fields(tmp_path, [encode_mobility_packet(word, SOURCE, DESTINATION)], "_ws.col.Info")
    assert found == [["Handover Initiate (last packets delivered) mn1"]]


def _carries(message: Any, class_name: str) -> bool:
    return any(type(option).__name__ == class_name for option in getattr(message, "options", ()))


_HANDOVER = st.one_of(
    *(MESSAGES[name] for name in MESSAGES if name.startswith(("handover_initiate", "handover_acknowledge")))
)


@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@given(messages=st.lists(_HANDOVER, min_size=10, max_size=15), unit=st.sampled_from(["words", "octets"]))
def test_it_agrees_with_our_encoder_on_any_handover_message(
    tmp_path_factory: Any, messages: list[Any], unit: str
) -> None:
    if unit == "octets":
        # A Length of eight bits ends at 255 octets there.
        messages = [message for message in messages if _fits(message)] or [vector(17).message]
    packets = [encode_mobility_packet(message, SOURCE, DESTINATION, option_length_unit=unit) for message in messages]
    names = ("pfmip6.mhtype", "pfmip6.sequence", "pfmip6.identifier", "pfmip6.multicast.records")
    found = fields(tmp_path_factory.mktemp("dissector"), packets, *names, "_ws.malformed", "pfmip6.malformed")
    assert [_said(message) for message in messages] == [row[:3] for row in found]
    for message, row in zip(messages, found, strict=True):
        assert row[4:] == ["", ""]
        carried = [option for option in message.options if isinstance(option, MulticastMobility)]
        if carried and isinstance(message, HandoverInitiate):
            assert row[3].split(",")[0] == str(len(carried[0].records))


def _fits(message: Any) -> bool:
    try:
        encode_mobility_packet(message, SOURCE, DESTINATION, option_length_unit="octets")
    except EncodeError:
        return False
    return True


def _said(message: HandoverInitiate | HandoverAcknowledge) -> list[str]:
    rfc = message.dialect is Dialect.RFC
    kind = "14" if isinstance(message, HandoverInitiate) else "15"
    return [kind, str(message.sequence) if rfc else "", "" if rfc else str(message.sequence)]


@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@given(contents=st.lists(st.tuples(st.sampled_from([5, 6, 11, 14, 15]), st.binary(max_size=120)), min_size=80, max_size=80))
def test_any_octets_are_shown_or_marked(tmp_path_factory: Any, contents: list[tuple[int, bytes]]) -> None:
    packets = []
    for kind, content in contents:
        data = content + bytes(-(len(content) + 6) % 8)
        header = bytes((59, (6 + len(data)) // 8 - 1, kind, 0, 0, 0)) + data
        packets.append(encode_ipv6(Ipv6Packet(source=SOURCE, destination=DESTINATION, next_header=135, payload=header)))
    shown = tshark(tmp_path_factory.mktemp("dissector"), packets, "-V")
    assert "Lua Error" not in shown
    assert shown.count("Frame Number:") == len(packets)
