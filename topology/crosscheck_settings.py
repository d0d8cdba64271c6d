# SPDX-License-Identifier: Apache-2.0
"""Cross-checks of what nodes are told to do: tunnels, ports, subscriptions, timers and limits."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from topology import derive
from topology.address_values import is_ssm
from topology.problem import Location, show_location
from topology.schema import Document, MobileNodeSection
from topology.section import Section
from topology.unique import Report, unique, unique_items


def check_tunnels_and_ports(document: Document, report: Report) -> None:
    """GRE keys and the controller's ports, each used once."""
    lma_key, mag_key = derive.gre_keys(document)
    if lma_key == mag_key and not report.refused(("domain", "lma_gre_key"), ("domain", "mag_gre_key")):
        domain = document.domain
        written = "mag_gre_key" if domain is not None and domain.mag_gre_key is not None else "lma_gre_key"
        report(("domain", written), f"{lma_key} for both kinds of tunnel", "lma_gre_key and mag_gre_key that differ")
    if document.controller is not None:
        ports = derive.ports(document.controller)
        entries: list[tuple[Location, int | None]] = [(("controller", key), port) for key, port in ports.items()]
        entries = [entry for entry in entries if not report.refused(entry[0])]
        unique(entries, "a port that controller uses once (openflow_port, rpc_port, rest)", report, show=str)


def check_mobility_authentication(document: Document, report: Report) -> None:
    """Who is left out of something that nobody does has most likely been meant to be in."""
    domain = document.domain
    if domain is None or domain.mobility_key_file is not None or report.refused(("domain", "mobility_key_file")):
        return
    for position, mag in enumerate(document.mags or ()):
        if mag.mobility_authentication:
            where: Location = ("mags", position, "mobility_authentication")
            report(where, "true without domain.mobility_key_file", "false, no key, or a file of keys for the domain")


def check_subscriptions(profile: MobileNodeSection, where: Location, document: Document, report: Report) -> None:
    """One mobile node's subscriptions: within the limits, allowed to it, each group once, SSM with sources."""
    limits = derive.limits(document)
    subscriptions = profile.subscriptions or ()
    if len(subscriptions) > limits.groups_per_mobile_node:
        allowed = f"at most limits.groups_per_mobile_node, {limits.groups_per_mobile_node}"
        report((*where, "subscriptions"), f"{len(subscriptions)} subscriptions", allowed)
    allowed_groups = profile.allowed_groups if profile.allowed_groups is not None else list(derive.ALLOWED_GROUPS)
    groups: list[tuple[Location, IPv4Address | IPv6Address | None]] = []
    for index, subscription in enumerate(subscriptions):
        here: Location = (*where, "subscriptions", index)
        group = subscription.group
        groups.append(((*here, "group"), group))
        sources = subscription.sources or ()
        if len(sources) > limits.sources_per_group:
            allowed = f"at most limits.sources_per_group, {limits.sources_per_group}"
            report((*here, "sources"), f"{len(sources)} sources", allowed)
        unique_items((*here, "sources"), subscription.sources, report)
        if group is None:
            continue
        for place, source in enumerate(sources):
            if source is not None and source.version != group.version:
                report((*here, "sources", place), str(source), f"an IPv{group.version} address, as {group}")
        if allowed_groups and None not in allowed_groups and not any(group in net for net in allowed_groups if net):
            found = f"{group}, not in the node's allowed_groups"
            report((*here, "group"), found, f"in {', '.join(map(str, allowed_groups))}")
        if is_ssm(group) and not sources and not report.refused((*here, "sources")):
            # RFC 4607 section 1: there a receiver asks for channels (S,G), never for any source.
            ssm = "ff3x::/32" if group.version == 6 else "232.0.0.0/8"
            report((*here, "group"), f"{group} without sources", f"in the SSM range {ssm} at least one source")
    unique(groups, "each group once in a mobile node's subscriptions", report, show=str)


def check_timing(document: Document, report: Report) -> None:
    """Timers and limits that only make sense in one order.

    The fault is of the one that is written: of the smaller, unless that is its default and the larger is not.
    """
    sections: dict[str, Section | None] = {"timers": document.timers, "limits": document.limits}
    settings = {"timers": derive.timers(document), "limits": derive.limits(document)}
    for small, large, factor, may_equal in _IN_ORDER:
        if report.refused(small, large):
            continue
        value, bound = (getattr(settings[section], key) for section, key in (small, large))
        if value > bound * factor or (value == bound * factor and not may_equal):
            if _is_written(small, sections) or not _is_written(large, sections):
                relation = "at most" if may_equal else "less than"
                unit = " in milliseconds" if factor != 1 else ""
                report(small, f"{value:.15g}", f"{relation} {show_location(large)}{unit}, {bound * factor:.15g}")
            else:
                relation = "at least" if may_equal else "more than"
                unit = " in seconds" if factor != 1 else ""
                report(large, f"{bound:.15g}", f"{relation} {show_location(small)}{unit}, {value / factor:.15g}")


def _is_written(key: tuple[str, str], sections: dict[str, Section | None]) -> bool:
    return getattr(sections[key[0]], key[1], None) is not None


_IN_ORDER: tuple[tuple[tuple[str, str], tuple[str, str], int, bool], ...] = (
    (("timers", "cut_wait_ms"), ("timers", "context_lifetime_s"), 1000, False),
    (("timers", "cut_wait_ms"), ("limits", "buffer_age_ms"), 1, False),
    # A packet waits for the other path for so long: it must not be too old by then, and the p-MAG must still forward.
    (("timers", "path_difference_ms"), ("limits", "buffer_age_ms"), 1, False),
    (("timers", "path_difference_ms"), ("timers", "forwarding_lifetime_s"), 1000, False),
    (("timers", "binding_acknowledgement_timeout_s"), ("timers", "binding_acknowledgement_timeout_max_s"), 1, True),
    # RFC 3810 section 9.3.
    (("timers", "mld_query_response_interval_s"), ("timers", "mld_query_interval_s"), 1, False),
    (("timers", "mld_tunnel_query_response_interval_s"), ("timers", "mld_tunnel_query_interval_s"), 1, False),
    # RFC 4861 section 6.2.1.
    (("timers", "router_advertisement_interval_s"), ("timers", "router_lifetime_s"), 1, True),
    (("timers", "prefix_preferred_lifetime_s"), ("timers", "prefix_valid_lifetime_s"), 1, True),
    (("limits", "buffer_bytes_per_mobile_node"), ("limits", "buffer_bytes_total"), 1, True),
)
"""The smaller, the larger, what the larger is multiplied with to have the same unit, whether they may be equal."""
