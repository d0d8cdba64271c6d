# SPDX-License-Identifier: Apache-2.0
"""What an operator reads of a real lab: junk in /metrics and hardly in the log, a handover whole in trace and logs."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lab.demo_run import await_ready
from lab.demo_settings import write_demo_topology
from lab.namespaces import run_inside
from lab.network import Lab, running_lab
from lab.processes import REPOSITORY, LabProcess
from lab.programs import start_programs
from lab.requirements import missing_requirement
from lab.rest_client import MAY_LEAVE, RestClient, follow_handover, start_handover
from topology.load import load_topology

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(120),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

JUNK = 500
STRANGER = bytes.fromhex("02005e00abcd")
ICMPV6_REPORT = bytes.fromhex("8f")
"""Type 143 (RFC 3810 section 5.2)."""


def mldv2_report_of(mac: bytes) -> bytes:
    """As much of a frame as the port's filter wants to see: IPv6, next header ICMPv6, type 143. The rest is missing."""
    header = bytes.fromhex("60000000 0001 3a 01") + bytes(32)
    return bytes.fromhex("333300000016") + mac + bytes.fromhex("86dd") + header + ICMPV6_REPORT


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, dict[str, LabProcess]]]:
    topology = write_demo_topology(REPOSITORY / "topology.yaml", tmp_path_factory.mktemp("operator"), "draft")
    with running_lab(load_topology(topology), topology=topology, attach=False) as lab:
        programs = start_programs(lab, topology)
        lab.attach_mobile_nodes()
        with RestClient(lab.state.rest_url) as client:
            await_ready(client, {"mn1@example.net": "mag1", "mn2@example.net": "mag1"}, 30.0)
        yield lab, {process.node: process for process in programs[1:]}


def drops(lab: Lab) -> dict[str, float]:
    """castover_drops_total of mag1's agent, by reason."""
    with urllib.request.urlopen(f"{lab.state.rest_url}/metrics", timeout=5) as answer:  # noqa: S310 - http, ours
        text = answer.read().decode()
    return {
        sample.labels["reason"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "castover_drops_total" and (sample.labels["part"], sample.labels["mag"]) == ("agent", "mag1")
    }


def send(lab: Lab, *frames: bytes) -> None:
    def flood() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("mag1", 0))
            for frame in frames:
                raw.send(frame)

    run_inside(lab.node("mn1").namespace, flood)


def until_counted(lab: Lab, reason: str, wanted: float) -> None:
    deadline = time.monotonic() + 15
    while drops(lab).get(reason) != wanted:
        assert time.monotonic() < deadline, drops(lab)
        time.sleep(0.1)


def test_junk_from_a_mobile_node_is_counted_and_hardly_logged(running: tuple[Lab, dict[str, LabProcess]]) -> None:
    lab, agents = running
    before = drops(lab)
    reason = "frame_of_unknown_link_layer_id"
    send(lab, *(JUNK * [mldv2_report_of(STRANGER)]))
    until_counted(lab, reason, before.get(reason, 0) + JUNK)
    send(lab, mldv2_report_of(lab.domain.mobile_nodes[0].link_layer_id))
    deadline = time.monotonic() + 15
    while not any(name.startswith("access_") and count > before.get(name, 0) for name, count in drops(lab).items()):
        assert time.monotonic() < deadline, drops(lab)
        time.sleep(0.1)
    lines = [line for line in Path(agents["mag1"].log).read_text(encoding="utf-8").splitlines() if reason in line]
    assert 1 <= len(lines) <= 3


def test_the_trace_of_a_handover_is_whole_and_in_all_logs(running: tuple[Lab, dict[str, LabProcess]]) -> None:
    lab, agents = running
    with RestClient(lab.state.rest_url) as client:
        handover_id = start_handover(client, "mn1", "mag2")
        for view in follow_handover(client, handover_id, timeout_s=20):
            if view["state"] in MAY_LEAVE:
                break
        with lab.mobile_node("mn1") as host:
            host.move("mag2", 20)
        *_, last = follow_handover(client, handover_id, timeout_s=20)
        assert last["state"] == "completed", last
        story = until_told(client, handover_id)
    assert story["missing"] == []
    told = [(fact["node"], fact["name"], fact["fields"].get("purpose")) for fact in story["facts"]]
    sent = [what for what in told if what[1].endswith("_sent")]
    # Figure 2 from its messages: 2, 3, 4, its answer, the word on the last packets and its answer, PBU-M, 11, its answer.
    assert [what for what in sent if not what[1].startswith("proxy_binding_update") or what[0] == "mag2"] == [
        ("mag1", "handover_initiate_sent", "context"),
        ("mag2", "handover_acknowledge_sent", None),
        ("mag2", "handover_initiate_sent", "forwarding_request"),
        ("mag1", "handover_acknowledge_sent", None),
        ("mag1", "handover_initiate_sent", "last_delivered"),
        ("mag2", "handover_acknowledge_sent", None),
        ("mag2", "proxy_binding_update_sent", None),
        ("mag1", "handover_initiate_sent", "completed"),
        ("mag2", "handover_acknowledge_sent", None),
    ]
    for what in (("mag1", "link_down"), ("mag2", "link_up"), ("mag2", "proxy_binding_acknowledgement_received"),
                 ("controller", "handover_ended"), ("mag2", "buffer_report")):
        assert what in [(node, name) for node, name, _ in told]
    for mag_id in ("mag1", "mag2"):
        lines = Path(agents[mag_id].log).read_text(encoding="utf-8").splitlines()
        ours = [line for line in lines if f" handover_id={handover_id} " in line]
        assert len(ours) >= sum(node == mag_id for node, _, _ in told)


def until_told(client: RestClient, handover_id: str) -> dict[str, Any]:
    """The trace with its last fact, the buffer's report, which follows the end."""
    deadline = time.monotonic() + 15
    while True:
        story: dict[str, Any] = client.get(f"/v1/handovers/{handover_id}/trace")
        if any(fact["name"] == "buffer_report" and fact["node"] == "mag2" for fact in story["facts"]):
            return story
        assert time.monotonic() < deadline, story
        time.sleep(0.05)
