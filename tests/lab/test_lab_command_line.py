# SPDX-License-Identifier: Apache-2.0
"""`castover lab` from a shell."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab.processes import REPOSITORY
from lab.requirements import missing_requirement
from lab.state import lab_folder

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]


TOPOLOGY = """\
castover: 1
domain: {{name: {name}, transport_network: "2001:db8:ff::/64", management_network: "fd00:ca57::/64"}}
controller: {{address: "fd00:ca57::1"}}
lma: {{id: lma, address: "2001:db8:ff::1", management_address: "fd00:ca57::f"}}
mags:
  - {{id: mag1, address: "2001:db8:ff::11", management_address: "fd00:ca57::11"}}
  - {{id: mag2, address: "2001:db8:ff::12", management_address: "fd00:ca57::12"}}
mobile_nodes:
  - {{id: mn1@example.net, link_layer_id: "02:00:00:00:00:11", home_network_prefix: "2001:db8:100:1::/64",
     attached_to: mag1, subscriptions: [{{group: "ff1e::101"}}]}}
sources: [{{name: source, address: "2001:db8:c0::10"}}]
"""


def test_the_command_line_builds_moves_runs_and_takes_down(tmp_path: Path) -> None:
    name = f"cst-test-{os.getpid()}-cli"
    topology = tmp_path / "topology.yaml"
    topology.write_text(TOPOLOGY.format(name=name), encoding="utf-8")

    def castover(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(REPOSITORY / "castover"), "lab", words[0], "--topology", str(topology), *words[1:]],
            capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        )

    try:
        assert "is not up" in castover("status").stderr
        up = castover("up", "--network-only")
        assert up.returncode == 0, up.stderr
        again = castover("up", "--network-only")
        assert again.returncode == 1
        assert "is up already, built from" in again.stderr
        assert "take it down first" in again.stderr
        moved = json.loads(castover("move", "mn1@example.net", "mag2", "--gap-ms", "5", "--json").stdout)
        assert moved["gap_ms"] >= 5
        assert json.loads(castover("status", "--json").stdout)["mobile_nodes"][0]["attached_to"] == "mag2"
        shown = castover("exec", "mag1", "ovs-vsctl", "--bare", "get", "Bridge", "br-int", "fail_mode")
        assert shown.stdout.strip() == "secure"
        assert castover("exec", "mn1", "sh", "-c", "exit 7").returncode == 7
        assert "allowed: mag1, mag2" in castover("move", "mn1", "mag9").stderr
    finally:
        down = castover("down")
    assert down.returncode == 0, down.stderr
    assert "7 namespaces removed" in down.stdout
    assert castover("down").returncode == 0
    assert not lab_folder(name).exists()
