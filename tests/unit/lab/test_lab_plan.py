# SPDX-License-Identifier: Apache-2.0
"""Names, addresses and the switch configuration of a lab, worked out without building one."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.plan import home_addresses, interface_identifier, plan_nodes, switch_mac, transport_neighbours
from lab.processes import LabProcess
from lab.programs import open_rest_socket
from lab.switch_configuration import whole_switch
from lab.switch_plan import lma_switch, mag_switch
from topology.model import Controller, Domain, Lma, Mag, MobileNode, Source

MN1 = MobileNode(
    id="mn1@example.net", name="mn1", link_layer_id=bytes.fromhex("020000000011"),
    home_network_prefixes=(IPv6Network("2001:db8:100:1::/64"),), attached_to="mag1", mags=("mag1", "mag2"),
    allowed_groups=(IPv6Network("ff1e::/16"),),
)
DOMAIN = Domain(
    name="plan", dialect="draft", option_length_unit="words", lma_gre_key=1, mag_gre_key=2,
    transport_network=IPv6Network("2001:db8:ff::/64"), management_network=IPv6Network("fd00:ca57::/64"),
    controller=Controller(address=IPv6Address("fd00:ca57::1")),
    lma=Lma(
        id="lma", address=IPv6Address("2001:db8:ff::1"), management_address=IPv6Address("fd00:ca57::f"),
        datapath_id=0x1, transport_datapath_id=0xABC,
    ),
    mags=tuple(
        Mag(
            id=f"mag{index}", index=index, address=IPv6Address(f"2001:db8:ff::1{index}"),
            management_address=IPv6Address(f"fd00:ca57::1{index}"), datapath_id=0x10 + index,
        )
        for index in (1, 2)
    ),
    mobile_nodes=(MN1,),
    sources=(Source(name="source", address=IPv6Address("2001:db8:c0::10")),),
)


def test_every_node_has_a_namespace_of_the_domain() -> None:
    assert {node.namespace for node in plan_nodes(DOMAIN)} == {
        "plan-transport", "plan-controller", "plan-lma", "plan-mag1", "plan-mag2", "plan-source", "plan-mn1",
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "a/b"}, "domain.name 'a/b' cannot name"),
        ({"name": ".."}, "domain.name '..' cannot name"),
        ({"mobile_nodes": (dataclasses.replace(MN1, name="mag1"),)}, "mobile-node 'mag1' has the name of a mag"),
        ({"mobile_nodes": (dataclasses.replace(MN1, name="hob0"),)}, "access port 'hob0' has the name of another port"),
        ({"mobile_nodes": (dataclasses.replace(MN1, name="a" * 16),)}, "cannot name a namespace or an interface"),
        ({"sources": (Source(name="transport", address=IPv6Address("::2")),)}, "'transport' has the name of a"),
        ({"mags": (dataclasses.replace(DOMAIN.mags[0], id="wlan0"),)}, "has the name of an interface of the mobile"),
        (
            {"mobile_nodes": (dataclasses.replace(MN1, home_network_prefixes=(IPv6Network("2001:db8::/96"),)),)},
            "leaves no interface identifier",
        ),
    ],
)
def test_names_that_cannot_be_used_are_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(LabError) as caught:
        plan_nodes(dataclasses.replace(DOMAIN, **change))
    assert problem in str(caught.value)
    assert caught.value.mend


def test_interface_identifier_is_the_one_of_rfc_2464() -> None:
    # The example of RFC 2464 section 4: 34-56-78-9A-BC-DE has 36-56-78-FF-FE-9A-BC-DE.
    assert interface_identifier(bytes.fromhex("3456789abcde")) == 0x365678FFFE9ABCDE


def test_home_address_joins_prefix_and_interface_identifier() -> None:
    assert home_addresses(MN1) == (IPv6Interface("2001:db8:100:1:0:ff:fe00:11/64"),)


def test_switch_macs_are_local_unicast_and_distinct() -> None:
    macs = {switch_mac(index) for index in range(1000)}
    assert len(macs) == 1000
    assert all(bytes.fromhex(mac.replace(":", ""))[0] & 0x03 == 0x02 for mac in macs)


def test_every_switch_knows_every_other() -> None:
    assert transport_neighbours(DOMAIN)["mag2"] == {
        IPv6Address("2001:db8:ff::1"): switch_mac(0), IPv6Address("2001:db8:ff::11"): switch_mac(1),
    }


def test_the_lma_has_both_bridges_under_the_controller() -> None:
    words = whole_switch(lma_switch(DOMAIN))
    target = "tcp:[fd00:ca57::1]:6653"
    assert [words[at - 1] for at, word in enumerate(words) if word == target] == ["br-phy", "br-int"]
    assert "other_config:datapath-id=0000000000000abc" in words
    assert 'options:remote_ip=flow' in words


def test_a_mag_has_its_ports_and_one_bridge_under_the_controller() -> None:
    words = whole_switch(mag_switch(DOMAIN, DOMAIN.mags[0]))
    assert [words[at + 2] for at, word in enumerate(words) if word == "add-port"] == [
        "phy0", "lma0", "mag0", "hob0", "mn1",
    ]
    assert words.count("set-controller") == 1
    assert 'options:remote_ip="2001:db8:ff::1"' in words


def test_all_tunnels_are_keyed_gre_with_bare_packets_in_them() -> None:
    """RFC 5845: between LMA and MAGs, and between MAGs; a MAG's to the LMA leads nowhere else."""
    gre = {"type": "gre", "options:packet_type": "legacy_l3", "options:key": "flow"}
    for plan, remotes in (
        (lma_switch(DOMAIN), {"mag0": "flow"}),
        (mag_switch(DOMAIN, DOMAIN.mags[0]), {"lma0": "2001:db8:ff::1", "mag0": "flow"}),
    ):
        tunnels = {port.name: port.interface for port in plan.ports if "options:remote_ip" in port.interface}
        assert tunnels == {name: {**gre, "options:remote_ip": remote} for name, remote in remotes.items()}


def test_a_process_id_that_was_given_away_is_not_ours() -> None:
    process = LabProcess(node="lma", name="x", pid=os.getpid(), start_time=1, command=("x",), log="")
    assert not process.alive


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        started = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
        process = LabProcess(node="lma", name="x", pid=child.pid, start_time=started, command=("x",), log="")
        assert process.alive
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not process.alive


def test_a_free_port_is_taken_when_the_configured_one_is_not() -> None:
    with open_rest_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with open_rest_socket("127.0.0.1", port) as second:
            assert second.getsockname()[1] not in (0, port)


def test_an_address_that_is_not_here_is_said() -> None:
    with pytest.raises(LabError, match=r"REST cannot listen on 192\.0\.2\.1:8080"):
        open_rest_socket("192.0.2.1", 8080)
