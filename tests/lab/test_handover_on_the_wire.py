# SPDX-License-Identifier: Apache-2.0
"""A predictive handover in a real lab, judged by what tshark finds on the wire: the draft's Figure 2, step by step."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from lab.capture_reader import DISSECTOR, read_fields
from lab.demo import run_demo
from lab.demo_result import RunResult
from lab.demo_settings import DemoSettings
from lab.processes import REPOSITORY
from lab.requirements import missing_requirement
from southbound.codec.accessors import multicast_records
from southbound.codec.handover import Dialect, HandoverInitiate, InitiatePurpose
from southbound.codec.iana import MobilityHeaderType
from southbound.codec.mobility import decode_mobility
from southbound.mld.context import memberships_from_records

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

LMA, MAG1, MAG2 = (IPv6Address(f"2001:db8:ff::{tail}") for tail in ("1", "11", "12"))
GROUP = IPv6Address("ff1e::101")
INITIATE, ACKNOWLEDGE = MobilityHeaderType.HANDOVER_INITIATE, MobilityHeaderType.HANDOVER_ACKNOWLEDGE
UPDATE, UPDATE_ACKNOWLEDGEMENT = MobilityHeaderType.BINDING_UPDATE, MobilityHeaderType.BINDING_ACKNOWLEDGEMENT


@dataclass(frozen=True)
class Spoken:
    """One Mobility Header message; tshark gives type, addresses and octets, the codec what tshark does not know."""

    at: float
    source: IPv6Address
    destination: IPv6Address
    kind: int
    header: bytes

    def initiate(self, dialect: Dialect) -> HandoverInitiate:
        message = decode_mobility(self.header, self.source, self.destination, dialect)
        assert isinstance(message, HandoverInitiate)
        return message


@dataclass(frozen=True)
class Wire:
    """What one capture of the transport network holds."""

    spoken: list[Spoken]
    data: dict[tuple[IPv6Address, IPv6Address], list[float]]
    """(tunnel from, to) -> times of the group's packets in it."""


def read_wire(folder: Path) -> Wire:
    (file,) = folder.glob("transport*.pcap")
    rows = read_fields(file, "mipv6", ["frame.time_epoch", "ipv6.src", "ipv6.dst", "mip6.mhtype", "frame.number"])
    headers = mobility_headers_raw(file)
    spoken = [
        Spoken(float(at), IPv6Address(source), IPv6Address(destination), int(kind, 0), header)
        for (at, source, destination, kind, _), header in zip(rows, headers, strict=True)
    ]
    data: dict[tuple[IPv6Address, IPv6Address], list[float]] = {}
    for at, sources, destinations in read_fields(file, "gre", ["frame.time_epoch", "ipv6.src", "ipv6.dst"]):
        outer, _, inner = destinations.partition(",")
        if inner and IPv6Address(inner) == GROUP:
            data.setdefault((IPv6Address(sources.partition(",")[0]), IPv6Address(outer)), []).append(float(at))
    return Wire(spoken, data)


def mobility_headers_raw(file: Path) -> list[bytes]:
    """The octets of each Mobility Header: everything behind Ethernet and IPv6 headers (no extension header precedes)."""
    from scapy.utils import RawPcapReader  # type: ignore[import-untyped]

    found = []
    with RawPcapReader(str(file)) as reader:
        link_layer = 14 if reader.linktype == 1 else {113: 16, 276: 20}[reader.linktype]
        for frame, _ in reader:
            if frame[link_layer : link_layer + 1] and frame[link_layer] >> 4 == 6 and frame[link_layer + 6] == 135:
                length = int.from_bytes(frame[link_layer + 4 : link_layer + 6], "big")
                found.append(bytes(frame[link_layer + 40 : link_layer + 40 + length]))
    return found


def signed_topology(folder: Path) -> Path:
    """topology.yaml with a key of the domain."""
    text = (REPOSITORY / "topology.yaml").read_text(encoding="utf-8")
    (folder / "mobility.keys").write_text(f"{secrets.token_hex(32)}\n", encoding="utf-8")
    path = folder / "topology.yaml"
    path.write_text(text.replace("domain:\n", "domain:\n  mobility_key_file: mobility.keys\n", 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(("dialect", "trigger", "signed"), [("draft", "rest", False), ("rfc", "mobile-node", True)])
def test_the_steps_of_figure_2_in_order(dialect: str, trigger: str, signed: bool, tmp_path: Path) -> None:
    results: list[RunResult] = []
    topology = signed_topology(tmp_path) if signed else REPOSITORY / "topology.yaml"
    run_demo(
        DemoSettings(
            topology=topology, handovers=1, rate_pps=1000.0, gap_ms=50.0, size=200,
            modes=("predictive",), dialects=(dialect,), trigger=trigger, pcap=tmp_path / "pcap", logs=tmp_path / "logs",
        ),
        lambda _: None,
        results.append,
    )
    (result,) = results
    assert [run.error for run in result.runs] == [""]
    moved, stayed = list(result.accounts.values())
    assert (moved.total.lost, stayed.total.lost, stayed.total.duplicated) == (0, 0, 0)
    assert result.leftovers == []

    (file,) = (tmp_path / "pcap" / f"{dialect}-predictive").glob("transport*.pcap")
    assert read_fields(file, "_ws.malformed || pfmip6.malformed", ["frame.number"], dissector=DISSECTOR) == []
    wire = read_wire(tmp_path / "pcap" / f"{dialect}-predictive")
    authenticated = read_fields(file, "pfmip6.authenticator", ["pfmip6.authenticator"], dissector=DISSECTOR)
    assert len(authenticated) == (len(wire.spoken) if signed else 0)
    order = [(message.kind, message.source, message.destination) for message in wire.spoken]
    assert order[:6] == [
        (INITIATE, MAG1, MAG2), (ACKNOWLEDGE, MAG2, MAG1),  # steps 2 and 3
        (INITIATE, MAG2, MAG1), (ACKNOWLEDGE, MAG1, MAG2),  # step 4
        (INITIATE, MAG1, MAG2), (ACKNOWLEDGE, MAG2, MAG1),  # step 6: the word on the last packets
    ]
    assert order[6:10] == [
        (UPDATE, MAG2, LMA), (UPDATE_ACKNOWLEDGEMENT, LMA, MAG2),  # steps 8 and 9
        (INITIATE, MAG1, MAG2), (ACKNOWLEDGE, MAG2, MAG1),  # step 11
    ]
    speaks = Dialect(dialect)
    context = wire.spoken[0].initiate(speaks)
    assert context.purpose is InitiatePurpose.CONTEXT
    assert context.multicast
    memberships, _ = memberships_from_records(multicast_records(context))
    assert [membership.group for membership in memberships] == [GROUP]
    assert wire.spoken[2].initiate(speaks).purpose is InitiatePurpose.FORWARDING_REQUEST
    assert wire.spoken[8].initiate(speaks).purpose is InitiatePurpose.FORWARDING_COMPLETED

    cloned = wire.data[MAG1, MAG2]
    requested, granted, left, update = (wire.spoken[index].at for index in (2, 3, 4, 6))
    # Step 5: asked for, confirmed, and on the wire before the PBU-M exists.
    assert requested < cloned[0] < update
    assert sum(at < update for at in cloned) > 30
    assert min(at for at in cloned if at > granted) < left
    # Step 10: native data to the n-MAG only after the PBU-M; after step 11 no clone any more.
    native = wire.data[LMA, MAG2]
    assert native[0] > update
    completed = wire.spoken[9].at
    assert max(cloned) < completed + 0.1
    assert max(native) > completed


def test_tshark_names_the_messages_and_finds_nothing_malformed(tmp_path: Path) -> None:
    results: list[RunResult] = []
    run_demo(
        DemoSettings(
            topology=REPOSITORY / "topology.yaml", handovers=2, rate_pps=200.0, gap_ms=20.0, size=100,
            modes=("predictive",), dialects=("rfc",), trigger="rest", pcap=tmp_path / "pcap", logs=tmp_path / "logs",
        ),
        lambda _: None,
        results.append,
    )
    (file,) = (tmp_path / "pcap" / "rfc-predictive").glob("transport*.pcap")
    names = {row[0] for row in read_fields(file, "mipv6", ["_ws.col.Info"])}
    assert {"Handover Initiate", "Handover Acknowledge", "Binding Update", "Binding Acknowledgement"} <= names
    # Options 57, 60 and 61 are unknown to tshark 4.0: it needs our dissector to judge the messages that carry them.
    assert read_fields(file, "mip6.mhtype == 6 && _ws.malformed", ["frame.number"]) == []
    assert read_fields(file, "_ws.malformed || pfmip6.malformed", ["frame.number"], dissector=DISSECTOR) == []
    contexts = read_fields(file, "pfmip6.hi.code == 3", ["pfmip6.group", "pfmip6.flags.p"], dissector=DISSECTOR)
    assert contexts == [[str(GROUP), "1"]] * 2
    updates = read_fields(file, "pfmip6.bu.flags.s == 1 && pfmip6.group", ["pfmip6.group"], dissector=DISSECTOR)
    assert [str(GROUP)] in updates
    statuses = {row[0] for row in read_fields(file, "mip6.mhtype == 6", ["mip6.ba.status"])}
    assert statuses == {"0"}
    codes = {row[0] for row in read_fields(file, "mip6.mhtype == 15", ["mip6.hack.code"])}
    assert codes <= {"0", "5"}
    assert len(codes) == 2
