# SPDX-License-Identifier: Apache-2.0
"""MLD messages into calls of the two sides of a link, and what they send into messages. Pure."""

from __future__ import annotations

from southbound.codec.iana import NEXT_HEADER_ICMPV6, MldType
from southbound.codec.ipv6 import Ipv6Packet
from southbound.codec.mld import UNSPECIFIED, MldMessage, Mldv1Done, Mldv1Query, Mldv1Report, Mldv2Query, Mldv2Report
from southbound.mld.effects import (
    Effect,
    HostEffect,
    SendGeneralQuery,
    SendGroupQuery,
    SendOlderDone,
    SendOlderReport,
    SendReport,
)
from southbound.mld.host import HostLink
from southbound.mld.parameters import MldParameters
from southbound.mld.report_size import reports
from southbound.mld.router import RouterLink

_TYPES = frozenset(MldType)


def is_mld(packet: Ipv6Packet) -> bool:
    """Whether the packet is one of MLD, well formed or not."""
    return packet.next_header == NEXT_HEADER_ICMPV6 and packet.payload[:1] != b"" and packet.payload[0] in _TYPES


def hear(link: RouterLink, message: MldMessage, now: float) -> list[Effect] | None:
    """Tell the router side what a listener has said; None for a query, which no listener sends.

    There is no querier election (RFC 3810 section 7.6.2): it is between routers of one link, and on a link with this
    router at one end and one listener at the other nobody else may ask.
    """
    match message:
        case Mldv2Report(records=records):
            return link.on_report(records, now)
        case Mldv1Report(group=group):
            return link.on_mldv1_report(group, now)
        case Mldv1Done(group=group):
            return link.on_mldv1_done(group, now)
    return None


def query_message(effect: SendGeneralQuery | SendGroupQuery, parameters: MldParameters) -> Mldv2Query:
    """The query to send, with our own Robustness Variable and Query Interval in it (RFC 3810 5.1.8 and 5.1.9)."""
    asked = effect if isinstance(effect, SendGroupQuery) else None
    return Mldv2Query(
        group=UNSPECIFIED if asked is None else asked.group,
        maximum_response_delay_ms=effect.max_response_ms,
        suppress_router_processing=asked is not None and asked.suppress,
        robustness=parameters.robustness,
        query_interval_s=int(parameters.query_interval_s),
        sources=() if asked is None else asked.sources,
    )


def ask(host: HostLink, message: MldMessage, now: float) -> list[HostEffect]:
    """Tell the host side what was heard on its link; what does not concern a host is passed over (RFC 3810 section 6)."""
    match message:
        case Mldv2Query():
            return host.on_query(
                None if message.group == UNSPECIFIED else message.group, message.sources,
                message.maximum_response_delay_ms / 1000, now, query_interval_s=message.query_interval_s,
            )
        case Mldv1Query():
            group = None if message.group == UNSPECIFIED else message.group
            return host.on_older_query(group, message.maximum_response_delay_ms / 1000, now)
        case Mldv1Report(group=group):
            return host.on_older_report(group, now)
    return host.tick(now)


def report_messages(effect: HostEffect) -> list[MldMessage]:
    """What the host side has sent."""
    match effect:
        case SendReport(records=records):
            return [Mldv2Report(records=report) for report in reports(records)]
        case SendOlderReport(group=group):
            return [Mldv1Report(group=group)]
        case SendOlderDone(group=group):
            return [Mldv1Done(group=group)]
