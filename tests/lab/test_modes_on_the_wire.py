# SPDX-License-Identifier: Apache-2.0
"""Every mode moves a mobile node in a real lab: what goes over the transport network, and how soon the stream is back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from lab.capture import start_captures, stop_captures
from lab.capture_reader import DISSECTOR, read_fields
from lab.demo_run import await_ready, bound_at
from lab.demo_settings import choose_cast, write_demo_topology
from lab.network import Lab, running_lab
from lab.processes import REPOSITORY
from lab.programs import start_programs
from lab.requirements import missing_requirement
from lab.rest_client import ENDED, MAY_LEAVE, RestClient, follow_handover, items, start_handover
from lab.stream import MeasuredStream, StreamSettings
from southbound.codec.cxtp import decode_context_transfer
from topology.load import load_topology

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

MOVER, STAYER = "mn1", "mn2"
MN_ID = "mn1@example.net"
RATE_PPS = 1000.0
GAP_MS = 50.0
LMA, MAG1, MAG2 = (IPv6Address(f"2001:db8:ff::{tail}") for tail in ("1", "11", "12"))
INITIATE, ACKNOWLEDGE, UPDATE, UPDATE_ACKNOWLEDGEMENT = 14, 15, 5, 6


@dataclass(frozen=True)
class Moved:
    """What one move came to."""

    lost: int
    doubled: int
    others_lost: int
    handovers: list[dict[str, Any]]
    spoken: list[tuple[int, IPv6Address, IPv6Address]]
    """(Mobility Header type, from, to) in order."""
    transferred: list[tuple[str, IPv6Address]]
    """(class of the CXTP message, from) in order."""


@contextmanager
def running(folder: Path, attach_mode: str, dialect: str) -> Iterator[tuple[Lab, RestClient]]:
    topology = write_demo_topology(REPOSITORY / "topology.yaml", folder, dialect)
    document = json.loads(topology.read_text(encoding="utf-8"))
    document["domain"]["attach_mode"] = attach_mode
    topology.write_text(json.dumps(document), encoding="utf-8")
    with running_lab(load_topology(topology), topology=topology, attach=False) as lab:
        start_programs(lab, topology)
        with RestClient(lab.state.rest_url) as client:
            lab.attach_mobile_nodes()
            await_ready(client, {MN_ID: "mag1", "mn2@example.net": "mag1"}, 30.0)
            yield lab, client


def until(condition: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def move(lab: Lab, client: RestClient, folder: Path, mode: str = "") -> Moved:
    """mn1 from mag1 to mag2 while both hear the stream; `mode`: of a handover that is asked for."""
    cast = choose_cast(lab.domain)
    captures = start_captures(lab, folder / "pcap", [])
    stream = MeasuredStream(
        lab, StreamSettings(source=cast.source, group=cast.group, port=5001, rate_pps=RATE_PPS, size=100),
        [MOVER, STAYER],
    )
    stream.start()
    for name in (MOVER, STAYER):
        stream.await_reception(name, 300, 20.0)
    handover_id = ""
    if mode:
        handover_id = start_handover(client, MOVER, "mag2", mode)
        for _ in follow_handover(client, handover_id, until=MAY_LEAVE, timeout_s=10.0):
            pass
    with lab.mobile_node(MOVER) as host:
        host.move("mag2", GAP_MS)
    until(lambda: bound_at(client).get(MN_ID) == "mag2", "not bound at mag2")
    stream.await_reception(MOVER, 500, 20.0)

    def handovers() -> list[dict[str, Any]]:
        return items(client.get("/v1/handovers"), "handovers")

    until(lambda: all(handover["state"] in ENDED for handover in handovers()), "a handover does not end")
    stream.await_reception(MOVER, 200, 20.0)
    records = stream.stop()
    stop_captures(lab, captures)
    sent = {record.sequence for record in records.sent}

    def account(name: str) -> tuple[int, int]:
        heard = [record.sequence for record in records.received[name]]
        wanted = {sequence for sequence in sent if min(heard) <= sequence <= max(heard)}
        return len(wanted - set(heard)), len(heard) - len(set(heard))

    (lost, doubled), (others_lost, _) = account(MOVER), account(STAYER)
    (file,) = (folder / "pcap").glob("transport*.pcap")
    assert malformed(file) == []
    spoken = [
        (int(kind, 0), IPv6Address(source), IPv6Address(destination))
        for kind, source, destination in read_fields(file, "mipv6", ["mip6.mhtype", "ipv6.src", "ipv6.dst"])
    ]
    transferred = [
        (type(decode_context_transfer(bytes.fromhex(octets))).__name__, IPv6Address(source))
        for octets, source in read_fields(file, "udp.port == 5091 && ipv6", ["udp.payload", "ipv6.src"])
    ]
    return Moved(lost, doubled, others_lost, handovers(), spoken, transferred)


def malformed(file: Path) -> list[list[str]]:
    """What tshark finds wrong: in what it knows itself, and with our dissector in everything.

    By itself it does not know options 57, 60 and 61, nor the draft's layout of HI and HAck, and says so of nothing else.
    """
    own = read_fields(file, "_ws.malformed && !(mip6.mhtype in {5, 14, 15})", ["frame.number", "mip6.mhtype"])
    return own + read_fields(file, "_ws.malformed || pfmip6.malformed", ["frame.number"], dissector=DISSECTOR)


def within(lost: int, at_most_ms: float) -> bool:
    """Whether so many packets are what came in the time without a link and so much more."""
    return lost <= (GAP_MS + at_most_ms) * RATE_PPS / 1000


def test_rejoin(tmp_path: Path) -> None:
    # In one dialect: there is no HI or HAck, as is seen below.
    with running(tmp_path, "query", "draft") as (lab, client):
        moved = move(lab, client, tmp_path)
    # A Linux host answers an MLD query after up to one second (RFC 3810 section 5.1.3), and reports when its link is up.
    assert within(moved.lost, 2500)
    assert moved.lost >= GAP_MS * RATE_PPS / 1000 * 0.8
    assert (moved.doubled, moved.others_lost, moved.handovers, moved.transferred) == (0, 0, [], [])
    assert {kind for kind, _, _ in moved.spoken} == {UPDATE, UPDATE_ACKNOWLEDGEMENT}


def test_context_transfer(tmp_path: Path) -> None:
    with running(tmp_path, "context-transfer", "rfc") as (lab, client):
        moved = move(lab, client, tmp_path)
    assert within(moved.lost, 200)
    assert (moved.doubled, moved.others_lost, moved.handovers) == (0, 0, [])
    assert moved.transferred == [
        ("ContextTransferRequest", MAG2), ("ContextTransferData", MAG1), ("ContextTransferDataReply", MAG2),
    ]  # fmt: skip
    assert {kind for kind, _, _ in moved.spoken} == {UPDATE, UPDATE_ACKNOWLEDGEMENT}


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
def test_join(tmp_path: Path, dialect: str) -> None:
    with running(tmp_path, "policy-store", dialect) as (lab, client):
        moved = move(lab, client, tmp_path, "join")
    assert within(moved.lost, 200)
    assert moved.others_lost == 0
    (handover,) = moved.handovers
    assert (handover["mode"], handover["state"], handover["error"]) == ("join", "completed", None)
    assert moved.spoken[:6] == [
        (INITIATE, MAG1, MAG2), (ACKNOWLEDGE, MAG2, MAG1),
        (UPDATE, MAG2, LMA), (UPDATE_ACKNOWLEDGEMENT, LMA, MAG2),
        (INITIATE, MAG1, MAG2), (ACKNOWLEDGE, MAG2, MAG1),
    ]  # fmt: skip


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
def test_reactive(tmp_path: Path, dialect: str) -> None:
    with running(tmp_path, "reactive", dialect) as (lab, client):
        moved = move(lab, client, tmp_path)
    # What was on the link when it went, and until the switch had a way to the store.
    assert moved.lost < GAP_MS * RATE_PPS / 1000
    assert (moved.doubled, moved.others_lost) == (0, 0)
    (handover,) = moved.handovers
    assert (handover["mode"], handover["state"], handover["error"]) == ("reactive", "completed", None)
    assert handover["packets"]["received_tunnel"] >= 0.5 * GAP_MS * RATE_PPS / 1000
    assert moved.spoken[:3] == [(INITIATE, MAG2, MAG1), (ACKNOWLEDGE, MAG1, MAG2), (INITIATE, MAG2, MAG1)]
    assert sorted(moved.spoken[3:6]) == sorted(
        [(ACKNOWLEDGE, MAG1, MAG2), (UPDATE, MAG2, LMA), (UPDATE_ACKNOWLEDGEMENT, LMA, MAG2)]
    )
    assert moved.spoken[6:8] == [(INITIATE, MAG1, MAG2), (ACKNOWLEDGE, MAG2, MAG1)]
