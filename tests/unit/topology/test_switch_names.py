# SPDX-License-Identifier: Apache-2.0
"""Names of bridges and ports that hosts have already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from topology.load import load_topology, parse_topology
from topology.locate import locate
from topology.problem import TopologyError
from topology.switch_names import SwitchNames

FILE = Path(__file__).resolve().parents[3] / "topology.yaml"


def document(lma: dict[str, Any] | None = None, mag1: dict[str, Any] | None = None) -> str:
    found: Any = locate(FILE.read_text(encoding="utf-8")).data
    if lma is not None:
        found["lma"]["switch"] = lma
    if mag1 is not None:
        found["mags"][0]["switch"] = mag1
    return json.dumps(found)


def test_without_a_word_all_names_are_our_own() -> None:
    domain = load_topology(FILE)
    assert {domain.lma.switch, *(mag.switch for mag in domain.mags)} == {SwitchNames()}
    assert SwitchNames().on_host("lma0") == SwitchNames().of_host("lma0") == "lma0"


def test_names_are_exchanged_in_both_directions() -> None:
    domain = parse_topology(document(
        lma={"source_port": "eth2", "mag_port": "gre1"},
        mag1={
            "integration_bridge": "s2", "buffer_port": "buf0",
            "access_ports": [{"mobile_node": "mn1", "port": "s2-eth3"}],
        },
    ), "t")
    lma, mag1 = domain.lma.switch, domain.mags[0].switch
    assert (lma.on_host("src0"), lma.of_host("gre1")) == ("eth2", "mag0")
    assert (mag1.integration_bridge, mag1.transport_bridge) == ("s2", "br-phy")
    assert (mag1.on_host("mn1"), mag1.of_host("s2-eth3"), mag1.on_host("mn2")) == ("s2-eth3", "mn1", "mn2")


def test_a_name_of_ours_that_is_another_port_there_is_not_ours() -> None:
    """The host has a port hob0 of its own, and calls the buffer port buf0."""
    names = SwitchNames(ports=(("hob0", "buf0"),))
    assert names.of_host("buf0") == "hob0"
    assert names.of_host("hob0") != "hob0"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (document(mag1={"integration_bridge": "br/1"}), "mags[0].switch.integration_bridge: found 'br/1'"),
        (document(mag1={"buffer_port": "a" * 16}), "16 characters"),
        (document(mag1={"source_port": "eth2"}), "mags[0].switch.source_port"),
        (document(lma={"lma_port": "x"}), "lma.switch.lma_port"),
        (document(mag1={"lma_port": "mag0"}), "a name that no other bridge or port of this node has"),
        (document(mag1={"transport_port": "mn2"}), "a name that no other bridge or port of this node has"),
        (
            document(mag1={"access_ports": [{"mobile_node": "mn7", "port": "x"}]}),
            "mags[0].switch.access_ports[0].mobile_node: found 'mn7'",
        ),
        (
            document(mag1={"access_ports": [{"mobile_node": "mn1", "port": "x"}, {"mobile_node": "mn1", "port": "y"}]}),
            "each mobile node once",
        ),
        (
            document(mag1={"access_ports": [{"mobile_node": "mn1", "port": "x"}, {"mobile_node": "mn2", "port": "x"}]}),
            "mags[0].switch.access_ports[1].port: found 'x', already used by",
        ),
        (document(mag1={"access_ports": [{"mobile_node": "mn1"}]}), "mags[0].switch.access_ports[0].port"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(TopologyError) as caught:
        parse_topology(text, "t")
    assert problem in str(caught.value)
