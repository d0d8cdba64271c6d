# SPDX-License-Identifier: Apache-2.0
"""An IPv4 group through the whole lab: unmodified sockets, IGMP of the kernel, handovers that lose nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.capture_reader import DISSECTOR, read_fields
from lab.demo import run_demo
from lab.demo_result import RunResult
from lab.demo_settings import DemoSettings
from lab.processes import REPOSITORY
from lab.requirements import missing_requirement

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

GROUP, SOURCE, MAG = "239.1.1.1", "192.0.2.10", "192.0.0.8"


def dual_stack_topology(folder: Path) -> Path:
    """The repository's topology with IPv4 addresses and an IPv4 group."""
    text = (REPOSITORY / "topology.yaml").read_text(encoding="utf-8")
    text = text.replace("- group: ff1e::101", f"- group: {GROUP}")
    text = text.replace("    address: 2001:db8:c0::10\n", f"    address: 2001:db8:c0::10\n    ipv4_address: {SOURCE}/24\n")
    for number in (1, 2):
        prefix = f"    home_network_prefix: 2001:db8:100:{number}::/64\n"
        text = text.replace(prefix, f"{prefix}    ipv4_home_address: 198.51.100.{number}/24\n")
    path = folder / "topology.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_handovers_of_an_ipv4_group_lose_nothing(tmp_path: Path) -> None:
    results: list[RunResult] = []
    run_demo(
        DemoSettings(
            topology=dual_stack_topology(tmp_path), handovers=4, rate_pps=1000.0, gap_ms=50.0, size=200,
            modes=("predictive",), dialects=("draft",), trigger="rest", pcap=tmp_path / "pcap", logs=tmp_path / "logs",
        ),
        lambda _: None,
        results.append,
    )
    (result,) = results
    assert [run.error for run in result.runs] == [""] * 4
    moved, stayed = list(result.accounts.values())
    for account in (moved, stayed):
        total = account.total
        assert (total.lost, total.duplicated, total.reordered) == (0, 0, 0)
        assert total.received > 1000
    assert result.leftovers == []

    folder = tmp_path / "pcap" / "draft-predictive"
    (transport,) = folder.glob("transport*.pcap")
    # GRE carries IPv4 as such (protocol type 0x0800), from MAG to MAG and from the LMA.
    keys = read_fields(transport, f"gre.proto == 0x0800 && ip.dst == {GROUP}", ["gre.key"])
    assert {key for (key,) in keys} == {"0x00000064", "0x000000c8"}
    assert read_fields(transport, f"gre.proto == 0x86dd && ip.dst == {GROUP}", ["frame.number"]) == []
    # The context: option 60 with an IGMPv3 payload (Option-Code 1).
    said = read_fields(transport, "pfmip6.multicast.option_code", ["pfmip6.multicast.option_code"], dissector=DISSECTOR)
    assert ["1"] in said
    # The kernel's own IGMPv3 answers the MAG's query, and the frames have the group's Ethernet address.
    (node,) = folder.glob("mn1*.pcap")
    queries = read_fields(node, f"igmp.type == 0x11 && ip.src == {MAG}", ["ip.ttl", "ip.dst", "igmp.checksum.status"])
    assert ["1", "224.0.0.1", "1"] in queries
    # When the sinks end, their group is asked for, too.
    assert {tuple(row) for row in queries} <= {("1", "224.0.0.1", "1"), ("1", GROUP, "1")}
    assert [GROUP] in read_fields(node, "igmp.type == 0x22", ["igmp.maddr"])
    (address,) = {address for (address,) in read_fields(node, f"ip.dst == {GROUP} && udp", ["eth.dst"])}
    assert address == "01:00:5e:01:01:01"
