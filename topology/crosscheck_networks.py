# SPDX-License-Identifier: Apache-2.0
"""Which networks and prefixes may not meet: a packet's way is found by them, so each has one owner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Network

from topology import derive
from topology.problem import Location, show_location
from topology.schema import Document, MobileNodeSection
from topology.unique import Report, unique

Place = tuple[Location, IPv6Network]


def check_networks(document: Document, report: Report) -> None:
    """Home network prefixes, their pool, transport, management and source networks are apart; sources may share theirs."""
    fixed = list(_fixed_networks(document))
    for position, (location, network) in enumerate(fixed):
        _apart(location, network, fixed[:position], report)
    pool = list(_pool(document))
    for position, (location, network) in enumerate(pool):
        _apart(location, network, [*fixed, *pool[:position]], report)
    prefixes: list[Place] = []
    for number, profile in enumerate(document.mobile_nodes or ()):
        where: Location = ("mobile_nodes", number)
        _source_of_prefixes(profile, where, document, report)
        prefixes += _prefixes(profile, where)
    for location, prefix in prefixes:
        _apart(location, prefix, [*fixed, *pool], report)
    # All are /64, so to overlap is to be the same.
    unique(prefixes, "a prefix that no other mobile node has", report, show=str)
    _routes(document, [*fixed, *pool, *prefixes], report)
    ipv4 = [
        (("mobile_nodes", position, "ipv4_home_address"), profile.ipv4_home_address and profile.ipv4_home_address.ip)
        for position, profile in enumerate(document.mobile_nodes or ())
    ]
    unique(ipv4, "an IPv4 address that no other mobile node has", report, show=str)
    links = [
        (("mobile_nodes", position, "link_layer_id"), profile.link_layer_id)
        for position, profile in enumerate(document.mobile_nodes or ())
    ]
    unique(links, "a link-layer id that no other mobile node has", report, show=lambda octets: octets.hex(":"))


def _source_of_prefixes(profile: MobileNodeSection, where: Location, document: Document, report: Report) -> None:
    """Where the MN's prefixes come from: one of the two keys, or the pool."""
    one, several = (*where, "home_network_prefix"), (*where, "home_network_prefixes")
    if report.refused(one, several):
        return
    if profile.home_network_prefix is not None and profile.home_network_prefixes is not None:
        report(several, "a list besides home_network_prefix", "one of the two keys")
    elif profile.home_network_prefixes == []:
        report(several, "an empty list", "at least one prefix, or no key")
    elif profile.home_network_prefix is None and profile.home_network_prefixes is None:
        pool = ("lma", "home_network_prefix_pool")
        given = document.lma is not None and document.lma.home_network_prefix_pool
        if not given and document.lma is not None and not report.refused(pool):
            allowed = "an IPv6 unicast /64, home_network_prefixes, or lma.home_network_prefix_pool to take one from"
            report(one, "nothing", allowed)


def _prefixes(profile: MobileNodeSection, where: Location) -> Iterator[Place]:
    if profile.home_network_prefix is not None:
        yield (*where, "home_network_prefix"), profile.home_network_prefix
    for index, prefix in enumerate(profile.home_network_prefixes or ()):
        if prefix is not None:
            yield (*where, "home_network_prefixes", index), prefix


def _pool(document: Document) -> Iterator[Place]:
    networks = document.lma.home_network_prefix_pool if document.lma is not None else None
    for index, network in enumerate(networks or ()):
        if network is not None:
            yield ("lma", "home_network_prefix_pool", index), network


def _routes(document: Document, own: list[Place], report: Report) -> None:
    """Beyond the domain, each once, by somebody whom the LMA can ask for on its link."""
    routes = list(enumerate((document.lma.routes if document.lma is not None else None) or ()))
    on_link = [network for location, network in own if location[0] == "sources"]
    for index, route in routes:
        where: Location = ("lma", "routes", index)
        for location, network in own if route.prefix is not None else ():
            if route.prefix is not None and route.prefix.subnet_of(network):
                found = f"{route.prefix}, which lies in {show_location(location)} ({network})"
                report((*where, "prefix"), found, "a network beyond the domain")
        via = route.via
        if via is not None and not via.is_link_local and not any(via in network for network in on_link):
            known = ", ".join(map(str, on_link)) or "none, as there are no sources"
            report((*where, "via"), str(via), f"an address on a network of the sources ({known}), or a link-local one")
    prefixes = [(("lma", "routes", index, "prefix"), route.prefix) for index, route in routes]
    unique(prefixes, "a prefix that no other route has", report, show=str)


def _fixed_networks(document: Document) -> Iterator[Place]:
    domain = document.domain
    if domain is not None and domain.transport_network is not None:
        yield ("domain", "transport_network"), domain.transport_network
    if domain is not None and domain.management_network is not None:
        yield ("domain", "management_network"), domain.management_network
    seen = set()
    for position, source in enumerate(document.sources or ()):
        if source.address is None:
            continue
        network = IPv6Network((int(source.address), derive.source_prefix_length(source)), strict=False)
        if network not in seen:
            seen.add(network)
            yield ("sources", position, "address"), network


def _apart(location: Location, network: IPv6Network, others: Iterable[Place], report: Report) -> None:
    for other_location, other in others:
        if network.overlaps(other):
            found = f"{network}, which overlaps {show_location(other_location)} ({other})"
            report(location, found, "a network apart from all others")
