# SPDX-License-Identifier: Apache-2.0
"""Messages of MLD and IGMP into calls of the two sides of a link, and what they send into messages. Pure.

The two protocols say the same things of addresses of two families (RFC 3810 section 1: MLDv2 is a translation of
IGMPv3), so there is one machine for each side; `version` says whose messages it speaks.
"""

from __future__ import annotations

from typing import Any

from southbound.codec.iana import IP_PROTOCOL_IGMP, NEXT_HEADER_ICMPV6, MldType
from southbound.codec.igmp import ANY_GROUP, Igmpv2Leave, Igmpv2Query, Igmpv2Report, Igmpv3Query, Igmpv3Report
from southbound.codec.ipv4 import HEADER_OCTETS
from southbound.codec.ipv6 import Ipv6Packet
from southbound.codec.listener_packet import ListenerMessage
from southbound.codec.mld import UNSPECIFIED, Mldv1Done, Mldv1Query, Mldv1Report, Mldv2Query, Mldv2Report
from southbound.codec.records import Version
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
_ANY_GROUP = (UNSPECIFIED, ANY_GROUP)
_PROTOCOL_AT = 9


def is_mld(packet: Ipv6Packet) -> bool:
    """Whether the packet is one of MLD, well formed or not."""
    return packet.next_header == NEXT_HEADER_ICMPV6 and packet.payload[:1] != b"" and packet.payload[0] in _TYPES


def is_igmp(packet: bytes) -> bool:
    """Whether the octets of an IPv4 packet are one of IGMP, well formed or not."""
    return len(packet) >= HEADER_OCTETS and packet[_PROTOCOL_AT] == IP_PROTOCOL_IGMP


def hear(link: RouterLink, message: ListenerMessage, now: float) -> list[Effect] | None:
    """Tell the router side what a listener has said; None for a query, which no listener sends.

    There is no querier election (RFC 3810 section 7.6.2): it is between routers of one link, and on a link with this
    router at one end and one listener at the other nobody else may ask.
    """
    match message:
        case Mldv2Report(records=records) | Igmpv3Report(records=records):
            return link.on_report(records, now)
        case Mldv1Report() | Igmpv2Report():
            return link.on_mldv1_report(message.group, now)
        case Mldv1Done() | Igmpv2Leave():
            return link.on_mldv1_done(message.group, now)
    return None


def query_message(
    effect: SendGeneralQuery | SendGroupQuery, parameters: MldParameters, version: Version = 6
) -> Mldv2Query | Igmpv3Query:
    """The query to send, with our own Robustness Variable and Query Interval in it (RFC 3810 5.1.8 and 5.1.9)."""
    asked = effect if isinstance(effect, SendGroupQuery) else None
    kind: Any = Mldv2Query if version == 6 else Igmpv3Query
    query: Mldv2Query | Igmpv3Query = kind(
        group=(UNSPECIFIED if version == 6 else ANY_GROUP) if asked is None else asked.group,
        maximum_response_delay_ms=effect.max_response_ms,
        suppress_router_processing=asked is not None and asked.suppress,
        robustness=parameters.robustness,
        query_interval_s=int(parameters.query_interval_s),
        sources=() if asked is None else asked.sources,
    )
    return query


def ask(host: HostLink, message: ListenerMessage, now: float) -> list[HostEffect]:
    """Tell the host side what was heard on its link; what does not concern a host is passed over (RFC 3810 section 6)."""
    match message:
        case Mldv2Query() | Igmpv3Query():
            return host.on_query(
                None if message.group in _ANY_GROUP else message.group, message.sources,
                message.maximum_response_delay_ms / 1000, now, query_interval_s=message.query_interval_s,
            )
        case Mldv1Query() | Igmpv2Query():
            group = None if message.group in _ANY_GROUP else message.group
            return host.on_older_query(group, message.maximum_response_delay_ms / 1000, now)
        case Mldv1Report() | Igmpv2Report():
            return host.on_older_report(message.group, now)
    return host.tick(now)


def report_messages(effect: HostEffect, version: Version = 6) -> list[ListenerMessage]:
    """What the host side has sent."""
    report: Any = Mldv2Report if version == 6 else Igmpv3Report
    older_report: Any = Mldv1Report if version == 6 else Igmpv2Report
    older_done: Any = Mldv1Done if version == 6 else Igmpv2Leave
    match effect:
        case SendReport(records=records):
            return [report(records=some) for some in reports(records)]
        case SendOlderReport(group=group):
            return [older_report(group=group)]
        case SendOlderDone(group=group):
            return [older_done(group=group)]
