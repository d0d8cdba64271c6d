# SPDX-License-Identifier: Apache-2.0
"""A whole domain by RFC 6224 alone: an LMA without multicast signalling, our agents as MLD proxies in their tunnels."""

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

GROUP = "ff1e::101"


def test_a_domain_by_rfc_6224_alone_loses_nothing(tmp_path: Path) -> None:
    text = (REPOSITORY / "topology.yaml").read_text(encoding="utf-8")
    topology = tmp_path / "topology.yaml"
    topology.write_text(text.replace("lma:\n  id: lma\n", "lma:\n  id: lma\n  multicast_signalling: false\n"))
    results: list[RunResult] = []
    run_demo(
        DemoSettings(
            topology=topology, handovers=2, rate_pps=1000.0, gap_ms=50.0, size=200, modes=("predictive",),
            dialects=("draft",), trigger="rest", pcap=tmp_path / "pcap", logs=tmp_path / "logs",
        ),
        lambda _: None,
        results.append,
    )
    (result,) = results
    assert [run.error for run in result.runs] == [""] * 2
    for account in result.accounts.values():
        assert (account.total.lost, account.total.duplicated, account.total.reordered) == (0, 0, 0)
    assert result.leftovers == []
    (file,) = (tmp_path / "pcap" / "draft-predictive").glob("transport*.pcap")
    lma, mag = "2001:db8:ff::1", "2001:db8:ff::12"
    reports = read_fields(file, f"ipv6.src == {mag} && ipv6.dst == {lma} && icmpv6.type == 143",
                          ["icmpv6.mldr.mar.multicast_address", "icmpv6.checksum.status"])
    assert [GROUP, "1"] in reports
    assert read_fields(file, f"ipv6.src == {lma} && ipv6.dst == {mag} && icmpv6.type == 130", ["frame.number"])
    assert read_fields(file, "pfmip6.ba.flags.s == 1", ["frame.number"], dissector=DISSECTOR) == []
    assert read_fields(file, "pfmip6.ba.flags.s == 0", ["frame.number"], dissector=DISSECTOR)
