# SPDX-License-Identifier: Apache-2.0
"""Every rule of topology.yaml that takes more than one value to judge.

Works on documents with faults: what is None was refused already and is passed over, so no fault causes a second one.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address, IPv6Network

from topology import derive, switch_names
from topology.crosscheck_delays import check_path_difference, check_registration_delay
from topology.crosscheck_links import check_links
from topology.crosscheck_networks import check_networks
from topology.crosscheck_rest import check_rest
from topology.crosscheck_settings import (
    check_mobility_authentication,
    check_subscriptions,
    check_timing,
    check_tunnels_and_ports,
)
from topology.crosscheck_switches import check_switches
from topology.locate import Fault, Located
from topology.problem import Location, show_value
from topology.refer import known_mags, refer
from topology.schema import Document
from topology.sizes import MAGS_MIN
from topology.unique import Report, owner_of, unique, unique_items

RESERVED_NODE_NAMES: tuple[str, ...] = ("lma-transport", "controller", "transport", "wlan0", "lo")
"""Roles (southbound.openflow.intents.SwitchRole), nodes of the lab, and interfaces beside those named after a node."""
RESERVED_PORT_NAMES: tuple[str, ...] = (
    switch_names.MAG_LMA_PORT,
    switch_names.MAG_MAG_PORT,
    switch_names.MAG_BUFFER_PORT,
    switch_names.LMA_SOURCE_PORT,
    switch_names.INTEGRATION_BRIDGE,
    switch_names.TRANSPORT_BRIDGE,
    "mgmt0",
    "phy0",
    "ovs-netdev",
    "ovs-system",
)
"""Interfaces of a MAG node, where every mobile node has an access port of its own name."""


def cross_check(document: Document, located: Located, told: Iterable[Fault]) -> list[Fault]:
    """The faults between values that are good in themselves; `told` are those known already."""
    report = Report(located, (fault.location for fault in told))
    _numbers_of_nodes(document, report)
    _names(document, report)
    _mag_references(document, report)
    check_links(document, report)
    check_path_difference(document, report)
    check_registration_delay(document, report)
    _addresses(document, report)
    check_networks(document, report)
    _datapath_ids(document, report)
    check_switches(document, report)
    check_tunnels_and_ports(document, report)
    check_mobility_authentication(document, report)
    for position, profile in enumerate(document.mobile_nodes or ()):
        check_subscriptions(profile, ("mobile_nodes", position), document, report)
    check_timing(document, report)
    check_rest(document, report)
    return report.faults


def _numbers_of_nodes(document: Document, report: Report) -> None:
    if document.mags is not None and len(document.mags) < MAGS_MIN:
        allowed = f"at least {MAGS_MIN}: a handover needs a previous and a new one"
        report(("mags",), f"{len(document.mags)} MAG{'' if len(document.mags) == 1 else 's'}", allowed)
    for position, mag in enumerate(document.mags or ()):
        if mag.allowed_prefixes is not None and not mag.allowed_prefixes:
            report(("mags", position, "allowed_prefixes"), "an empty list", "at least one network, or no key")
    for position, profile in enumerate(document.mobile_nodes or ()):
        if profile.mags is not None and not profile.mags:
            report(("mobile_nodes", position, "mags"), "an empty list", "at least one MAG id, or no key")
        if profile.allowed_groups is not None and not profile.allowed_groups:
            report(("mobile_nodes", position, "allowed_groups"), "an empty list", "at least one network, or no key")


def _names(document: Document, report: Report) -> None:
    """Node ids, source names and mobile nodes' short names live in one space: namespaces and ports of the lab."""
    names: list[tuple[Location, str | None]] = [(("lma", "id"), document.lma.id if document.lma else None)]
    names += [(("mags", position, "id"), mag.id) for position, mag in enumerate(document.mags or ())]
    names += [(("sources", position, "name"), source.name) for position, source in enumerate(document.sources or ())]
    for position, profile in enumerate(document.mobile_nodes or ()):
        name = derive.mobile_node_name(profile.id) if profile.id is not None else None
        names.append((("mobile_nodes", position, "id"), name))
    for location, name in names:
        reserved = RESERVED_NODE_NAMES if location[0] == "lma" else ("lma", *RESERVED_NODE_NAMES)
        if location[0] == "mobile_nodes":
            reserved += RESERVED_PORT_NAMES
        if name in reserved:
            allowed = f"a name that is not one of {', '.join(reserved)}"
            report(location, f"the reserved name {show_value(name)}", allowed)
    unique(names, "a name that no other node has (of a mobile node: the part before '@')", report)


def _mag_references(document: Document, report: Report) -> None:
    known = known_mags(document, report)
    if known is None:
        return

    for position, profile in enumerate(document.mobile_nodes or ()):
        where: Location = ("mobile_nodes", position)
        for index, name in enumerate(profile.mags or ()):
            refer((*where, "mags", index), name, known, report)
        refer((*where, "attached_to"), profile.attached_to, known, report)
        if profile.mags and profile.attached_to in known and None not in profile.mags:
            own = [name for name in profile.mags if name is not None]
            if profile.attached_to not in own:
                found = f"{show_value(profile.attached_to)}, which is not in the node's mags"
                report((*where, "attached_to"), found, f"one of {', '.join(map(show_value, own))}")
        unique_items((*where, "mags"), profile.mags, report)


def _addresses(document: Document, report: Report) -> None:
    transport: list[tuple[Location, IPv6Address | None]] = []
    management: list[tuple[Location, IPv6Address | None]] = []
    if document.controller is not None:
        management.append((("controller", "address"), document.controller.address))
    if document.lma is not None:
        transport.append((("lma", "address"), document.lma.address))
        management.append((("lma", "management_address"), document.lma.management_address))
    for position, mag in enumerate(document.mags or ()):
        transport.append((("mags", position, "address"), mag.address))
        management.append((("mags", position, "management_address"), mag.management_address))
    sources = [
        (("sources", position, "address"), source.address) for position, source in enumerate(document.sources or ())
    ]
    unique([*transport, *management, *sources], "an address that no other node has", report, show=str)
    domain = document.domain
    _inside(transport, domain.transport_network if domain else None, "transport_network", report)
    _inside(management, domain.management_network if domain else None, "management_network", report)


def _inside(
    addresses: list[tuple[Location, IPv6Address | None]], network: IPv6Network | None, key: str, report: Report
) -> None:
    if network is None:
        return
    allowed = f"an address in domain.{key} {network}, not its first"
    for location, address in addresses:
        if address is None:
            continue
        if address not in network:
            report(location, f"{address}, outside the network", allowed)
        elif address == network.network_address:
            # RFC 4291 section 2.6.1.
            report(location, f"{address}, the subnet-router anycast address", allowed)


def _datapath_ids(document: Document, report: Report) -> None:
    switches = [switch for switch in derive.datapath_ids(document) if not report.refused(switch.location)]
    # Derived ids go first: they differ from each other, and only a written one can be changed.
    first = {switch.value: switch for switch in switches if switch.derived}
    for switch in switches:
        other = first.setdefault(switch.value, switch)
        if other is not switch:
            owner = owner_of(other.location) + (" (derived)" if other.derived else "")
            report(switch.location, f"{switch.value:#x}, already used by {owner}", "a number no other switch has")
