# SPDX-License-Identifier: Apache-2.0
"""MLD at the LMA on real switches: towards the source network, and in the tunnel of a MAG of another make."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from lab.capture import start_captures, stop_captures
from lab.capture_reader import read_fields
from lab.demo_run import await_ready
from lab.demo_settings import write_demo_topology
from lab.namespaces import run_inside
from lab.network import Lab, running_lab
from lab.processes import REPOSITORY
from lab.programs import start_programs
from lab.requirements import missing_requirement
from lab.rest_client import RestClient
from lab.stream import MeasuredStream, StreamSettings
from southbound.agent.adapters.tunnel_socket import TunnelSocket
from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.ethernet import EthernetFrame, encode_ethernet, multicast_mac
from southbound.codec.iana import AccessTechnologyType, HandoffIndicator, Mldv2RecordType
from southbound.codec.mld import MldMessage, Mldv2Query, Mldv2Report
from southbound.codec.mld_packet import ALL_NODES, encode_mld_packet
from southbound.codec.mobility import encode_mobility
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Timestamp,
)
from southbound.codec.records import MulticastAddressRecord
from topology.load import load_topology
from topology.model import LMA_LINK_LOCAL_ADDRESS, Domain

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

GROUP, OTHER = IPv6Address("ff1e::101"), IPv6Address("ff1e::102")
QUERIER = IPv6Address("fe80::c0:10")
TO_EX, TO_IN, IS_EX = (
    Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE, Mldv2RecordType.CHANGE_TO_INCLUDE_MODE, Mldv2RecordType.MODE_IS_EXCLUDE,
)
_TIMEOUT_S = 20.0


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose MAGs ask the mobile nodes what they listen to, so that a sink that joins is the first listener."""
    folder = tmp_path_factory.mktemp("listeners")
    topology = write_demo_topology(REPOSITORY / "topology.yaml", folder, "draft", attach_mode="query")
    with running_lab(load_topology(topology), topology=topology, attach=False) as lab:
        start_programs(lab, topology)
        lab.attach_mobile_nodes()
        with RestClient(lab.state.rest_url) as client:
            await_ready(client, {"mn1@example.net": "mag1", "mn2@example.net": "mag1"}, 30.0)
        yield lab


class Stream:
    """A stream to one group, and its sinks."""

    def __init__(self, lab: Lab, group: IPv6Address, nodes: tuple[str, ...]) -> None:
        self._stream = MeasuredStream(
            lab, StreamSettings(source="source", group=group, port=5001, rate_pps=200.0, size=100), nodes
        )
        self._nodes = nodes

    def __enter__(self) -> Stream:
        self._stream.start()
        for name in self._nodes:
            self._stream.await_reception(name, 20, _TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.end()


def say_on_the_source_network(lab: Lab, message: MldMessage) -> None:
    """As a querier there would."""
    packet = encode_mld_packet(message, QUERIER)
    frame = encode_ethernet(
        EthernetFrame(destination=multicast_mac(ALL_NODES), source=bytes.fromhex("02000000c010"), payload=packet)
    )

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("eth0", 0))
            raw.send(frame)

    run_inside(lab.node("source").namespace, send)


def reports_of_the_lma(file: Path) -> list[tuple[int, IPv6Address]]:
    """(record type, group) of each record that the LMA has sent on the source's link, as tshark reads them."""
    rows = read_fields(
        file, f"icmpv6.type == 143 && ipv6.src == {LMA_LINK_LOCAL_ADDRESS}",
        ["icmpv6.mldr.mar.record_type", "icmpv6.mldr.mar.multicast_address", "ipv6.hlim", "ipv6.dst",
         "icmpv6.checksum.status"],
    )
    found = []
    for types, groups, hop_limit, destination, checksum in rows:
        assert (hop_limit, destination, checksum) == ("1", "ff02::16", "1")
        found += [
            (int(kind), IPv6Address(group)) for kind, group in zip(types.split(","), groups.split(","), strict=True)
        ]
    return found


def test_the_source_network_hears_of_the_first_listener_and_of_the_last(lab: Lab, tmp_path: Path) -> None:
    captures = start_captures(lab, tmp_path, sources=["source"])
    file = tmp_path / "source.pcap"
    # Another listener of the same group is no news, so the group that was joined twice is reported once (and repeated).
    with Stream(lab, OTHER, ("mn1", "mn2")):
        until(lambda: reports_of_the_lma(file) == [(TO_EX, OTHER)] * 2, "the group to be joined")
        say_on_the_source_network(lab, Mldv2Query(maximum_response_delay_ms=500))
        until(lambda: (IS_EX, OTHER) in reports_of_the_lma(file), "the querier to be answered")
    until(lambda: reports_of_the_lma(file)[-2:] == [(TO_IN, OTHER)] * 2, "the group to be left")
    stop_captures(lab, captures)
    assert reports_of_the_lma(file) == [(TO_EX, OTHER)] * 2 + [(IS_EX, OTHER)] + [(TO_IN, OTHER)] * 2
    say_on_the_source_network(lab, Mldv2Query(maximum_response_delay_ms=100))
    with RestClient(lab.state.rest_url) as client:
        listeners = client.get("/v1/listeners")["listeners"]
    assert [group for listener in listeners for group in listener["groups"]] == []


# --- a MAG of another make -------------------------------------------------------------------------------------------


class PlainMag:
    """RFC 5213 and RFC 6224 by hand, at the address of mag2: its agent has nobody on its links and keeps silent."""

    def __init__(self, lab: Lab) -> None:
        self.domain: Domain = lab.domain
        mag = lab.domain.mag("mag2")
        assert mag is not None
        self.mag, self._namespace, self._sequence = mag, lab.node("mag2").namespace, 4711

    def register(self, lifetime_s: int = 300) -> None:
        """mn2 by a PBU without the S flag."""
        profile = replace(self.domain.mobile_nodes[1])
        self._sequence += 1
        update = ProxyBindingUpdate(
            sequence=self._sequence, lifetime_s=lifetime_s,
            options=(
                MobileNodeIdentifier(identifier=profile.id),
                *(HomeNetworkPrefix(prefix=prefix) for prefix in profile.home_network_prefixes),
                HandoffIndicatorOption(indicator=HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE),
                AccessTechnologyTypeOption(technology=AccessTechnologyType.IEEE_802_3),
                MobileNodeLinkLayerIdentifier(identifier=profile.link_layer_id),
                Timestamp.from_seconds(time.time()),
            ),
        )
        lma = self.domain.lma.address
        header = encode_mobility(update, self.mag.address, lma)

        def send() -> None:
            with socket.socket(socket.AF_INET6, socket.SOCK_RAW, 135) as raw:
                raw.bind((str(self.mag.address), 0))
                raw.sendto(header, (str(lma), 0))

        run_inside(self._namespace, send)

    def reports(self, *records: MulticastAddressRecord) -> None:
        packet = encode_mld_packet(Mldv2Report(records=records), IPv6Address("fe80::6224"))

        def send() -> None:
            tunnel = TunnelSocket(self.mag.address, self.domain.lma_gre_key)
            tunnel.open()
            try:
                assert tunnel.send(packet, self.domain.lma.address)
            finally:
                tunnel.close()

        run_inside(self._namespace, send)


def test_a_mag_without_agent_is_asked_in_its_tunnel_and_joins_by_mld(lab: Lab, tmp_path: Path) -> None:
    mag = PlainMag(lab)
    captures = start_captures(lab, tmp_path, sources=["source"])
    file = tmp_path / "transport.pcap"
    to_mag = f"ipv6.src == {lab.domain.lma.address} && ipv6.dst == {mag.mag.address} && gre.key == {lab.domain.lma_gre_key}"

    def queries() -> list[str]:
        rows = read_fields(file, f"{to_mag} && icmpv6.type == 130", ["icmpv6.mld.multicast_address", "ipv6.hlim"])
        assert all(hop_limits.endswith(",1") for _, hop_limits in rows)
        return [group for group, _ in rows]

    def data() -> int:
        return len(read_fields(file, f"{to_mag} && ipv6.dst == {OTHER} && udp", ["frame.number"]))

    with Stream(lab, OTHER, ("mn1",)):
        mag.register()
        until(lambda: "::" in queries(), "a General Query in the tunnel")
        assert data() == 0
        mag.reports(MulticastAddressRecord(record_type=TO_EX, group=OTHER))
        until(lambda: data() > 50, "the stream in the tunnel")
        mag.reports(MulticastAddressRecord(record_type=TO_IN, group=OTHER))
        until(lambda: queries().count(str(OTHER)) == 2, "two queries for the group")
        until(lambda: _grown(data) == 0, "the stream in the tunnel to end")
    # One at a time for all: nothing was doubled while both MAGs were sent the stream, and mag1's went on.
    assert reports_of_the_lma(tmp_path / "source.pcap")[:2] == [(TO_EX, OTHER)] * 2
    mag.register(lifetime_s=0)
    stop_captures(lab, captures)


def _grown(count: Callable[[], int]) -> int:
    before = count()
    time.sleep(0.3)  # sixty packets of the stream
    return count() - before
