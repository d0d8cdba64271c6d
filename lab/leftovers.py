# SPDX-License-Identifier: Apache-2.0
"""Whether the switches hold what bindings and listeners ask for, and nothing of a handover that is over.

Judged by the switches' own words (ovs-ofctl), not by what the controller believes of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Any

from lab.ground import Ground
from lab.rest_client import RestClient, items
from southbound.openflow.rules import COOKIE, OWNED_GROUP_BIT
from topology.model import Domain
from topology.switch_names import MAG_BUFFER_PORT, MAG_MAG_PORT, SwitchNames

_COOKIE = re.compile(r"cookie=(0x[0-9a-f]+)")
_GROUP = re.compile(r"group_id=(\d+)")
_OUTPUT = re.compile(r"output:\"?([A-Za-z0-9_.@+-]+)")
_TUNNEL_DESTINATION = re.compile(r"set_field:([0-9a-f:]+)->tun_ipv6_dst")
_SIGNALLING = re.compile(r"\b(icmp6|igmp|nw_proto=2)\b")
_INGRESS = re.compile(r"in_port=\"?([A-Za-z0-9_.@+-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchContents:
    """Our rules on one integration switch, as far as they matter here."""

    flows: int
    groups: int
    outputs: frozenset[str]
    """Ports that any of our groups or flows sends data to; MLD and IGMP do not count."""
    tunnel_destinations: frozenset[IPv6Address]
    ingress: frozenset[str]
    """Ports that any of our flows takes packets from; what it drops it does not take."""


def read_contents(flows: str, groups: str) -> SwitchContents:
    """From the text of `ovs-ofctl --names dump-flows` and `dump-groups`."""
    ours = [line for line in flows.splitlines() if _is(_COOKIE, line, lambda cookie: int(cookie, 16) == COOKIE)]
    owned = [
        line for line in groups.splitlines() if _is(_GROUP, line, lambda group: bool(int(group) & OWNED_GROUP_BIT))
    ]
    # MLD and IGMP go to the agent's port as long as there is an agent: it is nobody's leftover.
    data = [line for line in ours if not _SIGNALLING.search(line.partition("actions=")[0])]
    # What follows 'actions=' is what is done; before it stands what is matched.
    actions = [line.partition("actions=")[2] for line in data] + owned
    return SwitchContents(
        flows=len(ours), groups=len(owned),
        outputs=frozenset(port for text in actions for port in _OUTPUT.findall(text)),
        tunnel_destinations=frozenset(
            IPv6Address(address) for text in actions for address in _TUNNEL_DESTINATION.findall(text)
        ),
        ingress=frozenset(
            port for line in data if not line.endswith("actions=drop")
            for port in _INGRESS.findall(line.partition("actions=")[0])
        ),
    )


def in_our_names(names: SwitchNames, contents: SwitchContents) -> SwitchContents:
    """The same with the names that ports have in the domain."""
    return replace(
        contents, outputs=frozenset(map(names.of_host, contents.outputs)),
        ingress=frozenset(map(names.of_host, contents.ingress)),
    )


def find_leftovers(
    domain: Domain, contents: Mapping[str, SwitchContents], listeners: Sequence[Mapping[str, Any]],
    counted: Mapping[str, tuple[int, int]],
) -> list[str]:
    """Every difference, in words. `contents` by switch, `listeners` as GET /v1/listeners shows them.

    `counted`: flows and groups of each switch as the controller wants them, for the switches it tells about.
    """
    found: list[str] = []
    for mag in domain.mags:
        has = contents[mag.id]
        wanted = {str(listener["access_port"]) for listener in _active(listeners, mag.id)}
        there = {str(listener["access_port"]) for listener in _attached(listeners, mag.id)}
        access = {node.access_port() for node in domain.mobile_nodes}
        found += [f"{mag.id}: copies to {port}, where nobody is" for port in sorted(has.outputs & access - there)]
        found += [f"{mag.id}: no copies to {port}, where somebody listens" for port in sorted(wanted - has.outputs)]
        if MAG_BUFFER_PORT in has.outputs:
            found.append(f"{mag.id}: still copies into the handover buffer ({MAG_BUFFER_PORT})")
        if MAG_MAG_PORT in has.outputs:
            found.append(f"{mag.id}: still copies into the tunnel to another MAG ({MAG_MAG_PORT})")
        if MAG_MAG_PORT in has.ingress:
            found.append(f"{mag.id}: still takes packets from the tunnel of another MAG ({MAG_MAG_PORT})")
    serving = {mag.address for mag in domain.mags if _active(listeners, mag.id)}
    hosting = {mag.address for mag in domain.mags if _attached(listeners, mag.id)}
    copies = contents[domain.lma.id].tunnel_destinations
    lma = domain.lma.id
    found += [f"{lma}: copies to {address}, where nobody is" for address in sorted(copies - hosting)]
    found += [f"{lma}: no copies to {address}, where somebody listens" for address in sorted(serving - copies)]
    for name, (flows, groups) in counted.items():
        has_now = contents[name]
        if (has_now.flows, has_now.groups) != (flows, groups):
            found.append(
                f"{name}: {has_now.flows} flows and {has_now.groups} groups on the switch, "
                f"{flows} and {groups} wanted"
            )
    return found


def look_for_leftovers(lab: Ground, client: RestClient) -> list[str]:
    """The same in a running lab. Raises LabError."""
    contents = {}
    for name in lab.switch_names():
        switch, names = lab.switch(name), lab.domain.switch_names(name)
        contents[name] = in_our_names(names, read_contents(
            switch.ofctl("--names", "dump-flows", names.integration_bridge),
            switch.ofctl("--names", "dump-groups", names.integration_bridge),
        ))
    counted = {
        str(switch["name"]): (len(switch["flows"]), len(switch["groups"]))
        for switch in items(client.get("/v1/flows"), "switches") if switch["name"] in contents
    }
    return find_leftovers(lab.domain, contents, items(client.get("/v1/listeners"), "listeners"), counted)


def _attached(listeners: Sequence[Mapping[str, Any]], mag: str) -> list[Mapping[str, Any]]:
    """Mobile nodes on an access link of this MAG (those without a port are contexts of nodes that are away): they get their
    unicast, if nothing else."""
    return [listener for listener in listeners if listener["mag"] == mag and listener["access_port"] is not None]


def _active(listeners: Sequence[Mapping[str, Any]], mag: str) -> list[Mapping[str, Any]]:
    """Those of them that listen to a group."""
    return [listener for listener in _attached(listeners, mag) if listener["groups"]]


def _is(pattern: re.Pattern[str], line: str, condition: Any) -> bool:
    found = pattern.search(line)
    return found is not None and bool(condition(found.group(1)))
