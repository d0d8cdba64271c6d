# SPDX-License-Identifier: Apache-2.0
"""What an existing switch lacks: nothing of what is there is changed, what is missing is added once."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.switch_plan import SwitchPlan, lma_switch, mag_switch
from node.host_changes import HostState, compare_host
from node.neighbours import peers
from node.switch_changes import Difference, compare, transaction
from node.switch_setup import command_lines, switch_plan
from node.switch_state import Bridge, Port, SwitchState, parse_switch
from topology.load import load_topology

DOMAIN = load_topology(Path(__file__).resolve().parents[3] / "topology.yaml")
CONTROLLER = "tcp:[fd00:ca57::1]:6653"


def plan() -> SwitchPlan:
    return mag_switch(DOMAIN, DOMAIN.mags[0])


def complete(wanted: SwitchPlan) -> SwitchState:
    """A switch that has all of a plan."""
    return SwitchState(
        bridges={bridge.name: Bridge(
            name=bridge.name, datapath_type="netdev", fail_mode="secure", protocols=frozenset({"OpenFlow15"}),
            datapath_id=f"{bridge.datapath_id or 1:016x}",
            controllers=frozenset([bridge.controller] if bridge.controller else []),
        ) for bridge in wanted.bridges},
        ports={port.name: Port(
            name=port.name, bridge=port.bridge, type=port.interface.get("type", ""),
            options={key.removeprefix("options:"): value for key, value in port.interface.items() if ":" in key},
        ) for port in wanted.ports},
    )


def with_bridge(state: SwitchState, name: str, **changes: object) -> SwitchState:
    bridge = replace(state.bridges[name], **changes)  # type: ignore[arg-type]
    return replace(state, bridges={**state.bridges, name: bridge})


def with_port(state: SwitchState, name: str, **changes: object) -> SwitchState:
    port = replace(state.ports[name], **changes)  # type: ignore[arg-type]
    return replace(state, ports={**state.ports, name: port})


def words(found: list[Difference]) -> list[str]:
    return [difference.words for difference in found]


@pytest.mark.parametrize("wanted", [plan(), lma_switch(DOMAIN)])
def test_a_switch_that_has_everything_differs_in_nothing(wanted: SwitchPlan) -> None:
    assert compare(wanted, complete(wanted)) == []


def test_an_empty_switch_lacks_everything_and_nothing_is_in_the_way() -> None:
    found = compare(plan(), SwitchState())
    assert words(found) == [
        "bridge br-phy is missing", "bridge br-int is missing", "port phy0 is missing in br-phy",
        "port lma0 is missing in br-int", "port mag0 is missing in br-int", "port hob0 is missing in br-int",
        "port mn1 is missing in br-int", "port mn2 is missing in br-int",
    ]
    assert not any(difference.conflict for difference in found)
    assert transaction(found)[:5] == ["--", "add-br", "br-phy", "--", "set"]


def test_a_new_bridge_has_the_datapath_of_the_one_that_is_there() -> None:
    state = with_bridge(complete(plan()), "br-phy", datapath_type="system")
    missing = replace(state, bridges={"br-phy": state.bridges["br-phy"]})
    assert "datapath_type=system" in transaction(compare(plan(), missing))


@pytest.mark.parametrize(("changes", "said", "command"), [
    ({"protocols": frozenset({"OpenFlow10", "OpenFlow13"})}, "bridge br-int does not speak OpenFlow 1.5",
     "-- add Bridge br-int protocols OpenFlow15"),
    ({"fail_mode": ""}, "bridge br-int has no fail_mode", "-- set Bridge br-int fail_mode=secure"),
    ({"datapath_id": "00001234567890ab"}, "bridge br-int has datapath id 00001234567890ab",
     "-- set Bridge br-int other_config:datapath-id=0000000000000011"),
])
def test_what_a_bridge_lacks_is_added(changes: dict[str, object], said: str, command: str) -> None:
    (found,) = compare(plan(), with_bridge(complete(plan()), "br-int", **changes))
    assert found.words.startswith(said)
    assert " ".join(transaction([found])) == command


def test_another_controller_stays() -> None:
    state = with_bridge(complete(plan()), "br-int", controllers=frozenset({"tcp:127.0.0.1:6633"}))
    (found,) = compare(plan(), state)
    assert found.words == f"bridge br-int is not under the controller {CONTROLLER} (it has tcp:127.0.0.1:6633, which stays)"
    commands = transaction([found])
    assert commands[:4] == ["--", "--id=@castover0", "create", "Controller"]
    assert commands[-5:] == ["add", "Bridge", "br-int", "controller", "@castover0"]


@pytest.mark.parametrize(("state", "said", "mend"), [
    (with_bridge(complete(plan()), "br-int", fail_mode="standalone"), "fail_mode is standalone",
     "ovs-vsctl set-fail-mode br-int secure"),
    (with_bridge(complete(plan()), "br-int", datapath_id="00000000000000aa", other_config={"datapath-id": "aa"}),
     "datapath id was set to aa", "write datapath_id: 0xaa there"),
    (with_bridge(complete(plan()), "br-phy", datapath_type="system"), "unlike datapath types (netdev, system)",
     "give both the same datapath_type"),
    (with_port(complete(plan()), "mn1", bridge="br-ex"), "port mn1 is in br-ex, not in br-int",
     "ovs-vsctl del-port br-ex mn1"),
    (with_port(complete(plan()), "lma0", type="vxlan"), "port lma0: type is 'vxlan', not 'gre'",
     "ovs-vsctl set Interface lma0 type=gre"),
    (with_port(complete(plan()), "lma0", error="Address family not supported"), "cannot be used: Address family",
     "see the log of ovs-vswitchd"),
])
def test_what_somebody_chose_is_said_and_not_changed(state: SwitchState, said: str, mend: str) -> None:
    (found,) = compare(plan(), state)
    assert found.conflict
    assert said in found.words
    assert mend in found.mend


def test_an_option_that_a_tunnel_lacks_is_added() -> None:
    state = complete(plan())
    options = {key: value for key, value in state.ports["lma0"].options.items() if key != "key"}
    (found,) = compare(plan(), with_port(state, "lma0", options=options))
    assert " ".join(transaction([found])) == "-- set Interface lma0 options:key=flow"


def test_an_access_port_may_come_later() -> None:
    (found,) = compare(plan(), with_port(complete(plan()), "mn1", error="could not open network device mn1"))
    assert found.waits
    assert not found.conflict


def test_all_of_the_switch_is_one_transaction_and_the_host_comes_after_it() -> None:
    flow = Difference(words="no flow", host_commands=(("ovs-ofctl", "add-flow", "br-phy", "actions=NORMAL"),))
    lines = command_lines([flow, *compare(plan(), SwitchState())])
    assert [line[0] for line in lines] == ["ovs-vsctl", "ovs-ofctl"]
    assert lines[0].count("add-br") == 2


def test_the_transport_address_is_the_bridges() -> None:
    up = dict.fromkeys(["br-phy", "phy0", "hob0", "mn1", "mn2"], True)
    silent = dict.fromkeys(["phy0", "hob0", "mn1", "mn2"], False)
    address = IPv6Address("2001:db8:ff::11")
    bridges = ("br-phy", "br-int")
    ready = HostState(addresses={address: "br-phy"}, up=up, ipv6=silent)
    assert compare_host(DOMAIN, "mag1", ready, bridges=bridges) == []

    (missing,) = compare_host(DOMAIN, "mag1", replace(ready, addresses={}), bridges=bridges)
    assert missing.host_commands[-1] == ("ip", "-6", "address", "add", "2001:db8:ff::11/64", "dev", "br-phy", "nodad")

    (elsewhere,) = compare_host(DOMAIN, "mag1", replace(ready, addresses={address: "phy0"}), bridges=bridges)
    assert elsewhere.conflict
    assert elsewhere.words == "address 2001:db8:ff::11 is on phy0, not on br-phy"


def test_the_kernel_keeps_away_from_ports_of_the_switch() -> None:
    up = dict.fromkeys(["br-phy", "phy0", "mn1"], True)
    state = HostState(addresses={IPv6Address("2001:db8:ff::11"): "br-phy"}, up=up, ipv6={"mn1": True, "phy0": True})
    access, buffer = sorted(
        compare_host(DOMAIN, "mag1", state, bridges=("br-phy",)), key=lambda difference: difference.words, reverse=True,
    )
    assert access.words == "interface mn1 speaks IPv6 itself, beside the switch"
    assert access.host_commands == (("sysctl", "-q", "-w", "net.ipv6.conf.mn1.disable_ipv6=1"),)
    assert buffer.words == "interface hob0 is down and speaks IPv6 itself, beside the switch"


def test_the_answer_of_a_switch_is_read() -> None:
    def table(headings: list[str], *rows: list[object]) -> str:
        return json.dumps({"headings": headings, "data": rows})

    state = parse_switch({
        "Bridge": table(
            ["name", "datapath_type", "datapath_id", "fail_mode", "protocols", "other_config", "controller", "ports"],
            ["br0", "netdev", "00001234567890ab", ["set", []], ["set", ["OpenFlow10", "OpenFlow15"]],
             ["map", [["hwaddr", "02:00:00:00:00:01"]]], ["uuid", "c"], ["set", [["uuid", "p1"], ["uuid", "p2"]]]],
        ),
        "Port": table(["_uuid", "name", "interfaces"], [["uuid", "p1"], "br0", ["uuid", "i1"]],
                      [["uuid", "p2"], "lma0", ["uuid", "i2"]]),
        "Interface": table(["_uuid", "type", "options", "error"],
                           [["uuid", "i1"], "internal", ["map", []], ["set", []]],
                           [["uuid", "i2"], "gre", ["map", [["key", "flow"]]], "no route"]),
        "Controller": table(["_uuid", "target"], [["uuid", "c"], CONTROLLER]),
    })
    assert state.bridges["br0"] == Bridge(
        name="br0", datapath_type="netdev", datapath_id="00001234567890ab",
        protocols=frozenset({"OpenFlow10", "OpenFlow15"}), other_config={"hwaddr": "02:00:00:00:00:01"},
        controllers=frozenset({CONTROLLER}),
    )
    assert state.ports["lma0"] == Port(name="lma0", bridge="br0", type="gre", options={"key": "flow"}, error="no route")


@pytest.mark.parametrize("text", [
    "", "[]", '{"headings": ["name"], "data": [[]]}', '{"headings": ["name"], "data": [["x"]]}',
])
def test_an_answer_that_is_none_is_an_error_in_words(text: str) -> None:
    with pytest.raises(LabError, match="Open vSwitch's answer is not understood"):
        parse_switch(dict.fromkeys(("Bridge", "Port", "Interface", "Controller"), text))


def test_only_lma_and_mags_have_switches() -> None:
    with pytest.raises(LabError, match="there is no LMA or MAG 'mn1'; allowed: lma, mag1, mag2"):
        switch_plan(DOMAIN, "mn1")


def test_whom_tunnels_lead_to() -> None:
    lma, mag1, mag2 = (IPv6Address(f"2001:db8:ff::{host}") for host in ("1", "11", "12"))
    assert peers(DOMAIN, "lma") == (mag1, mag2)
    assert peers(DOMAIN, "mag2") == (lma, mag1)
