# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies: every option and every message with every value that may be sent."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from hypothesis import strategies as st

from southbound.codec import iana
from southbound.codec.binding_error import BindingError
from southbound.codec.mld import Mldv1Done, Mldv1Query, Mldv1Report, Mldv2Query, Mldv2Report
from southbound.codec.mld_codes import decode_code
from southbound.codec.mobility import (
    MOBILITY_MESSAGES,
    Dialect,
    HandoverAcknowledge,
    HandoverIndication,
    HandoverInitiate,
    ProxyBindingAcknowledgement,
    ProxyBindingUpdate,
    UnknownMobilityMessage,
)
from southbound.codec.neighbor_discovery import (
    NeighborAdvertisement,
    NeighborSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
)
from southbound.codec.neighbor_options import (
    LinkMtu,
    PrefixInformation,
    RouteInformation,
    SourceLinkLayerAddress,
    TargetLinkLayerAddress,
    UnknownNeighborOption,
)
from southbound.codec.options import (
    MOBILITY_OPTIONS,
    AccessTechnologyTypeOption,
    ActiveMulticastSubscription,
    ActiveMulticastSubscriptionIpv4,
    AlternateCareOfAddress,
    ContextRequest,
    GreKey,
    HandoffIndicatorOption,
    HandoverIdentifier,
    HomeNetworkPrefix,
    LastDelivered,
    LinkLocalAddress,
    LocalMobilityAnchorAddress,
    MobileNodeIdentifier,
    MobileNodeInterfaceIdentifier,
    MobileNodeLinkLayerIdentifier,
    MobilityAuthenticator,
    MulticastAcknowledgement,
    MulticastMobility,
    NewMagIdentifier,
    RequestedContext,
    Timestamp,
    UnknownOption,
    UnreadableMulticastMobility,
    VendorSpecific,
)
from southbound.codec.records import MulticastAddressRecord

u8, u16, u32, u64 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32, 64))
flag = st.booleans()
ipv6 = st.ip_addresses(v=6)
group = ipv6.map(lambda address: type(address)((0xFF << 120) | (int(address) & (1 << 120) - 1)))
text = st.text(max_size=60).filter(lambda value: value.isprintable() and len(value.encode("utf-8", "replace")) <= 250)
text = text.filter(lambda value: not any("\ud800" <= character <= "\udfff" for character in value))


def records(*, sources_max: int, version: int = 6) -> st.SearchStrategy[MulticastAddressRecord]:
    address = st.ip_addresses(v=version)  # type: ignore[arg-type]
    return st.builds(
        MulticastAddressRecord,
        record_type=u8.map(iana.Mldv2RecordType),
        group=address,
        sources=st.lists(address, max_size=sources_max).map(tuple),
        auxiliary_data=st.sampled_from((b"", b"\1\2\3\4")),
    )


prefix = st.builds(lambda address, length: IPv6Network((address, length), strict=False), ipv6, st.integers(0, 128))
vendor_specific = st.builds(
    VendorSpecific, vendor_id=u32.filter(lambda value: value != 32473), sub_type=u8, data=st.binary(max_size=250)
)
v2_subscription = st.builds(ActiveMulticastSubscription, record=records(sources_max=13))
v1_subscription = st.builds(
    ActiveMulticastSubscription,
    record=st.builds(MulticastAddressRecord, record_type=st.just(iana.Mldv2RecordType.MODE_IS_EXCLUDE), group=ipv6),
    mld_type=st.just(iana.MldType.V1_REPORT),
)
v3_subscription = st.builds(ActiveMulticastSubscriptionIpv4, record=records(sources_max=60, version=4))
older_subscription = st.builds(
    ActiveMulticastSubscriptionIpv4,
    record=st.builds(
        MulticastAddressRecord, record_type=st.just(iana.Mldv2RecordType.MODE_IS_EXCLUDE), group=st.ip_addresses(v=4)
    ),
    igmp_type=st.just(iana.IgmpType.V2_REPORT),
)
of_a_stream = st.ip_addresses(v=4) | ipv6.filter(lambda address: address.ipv4_mapped is None)
unknown_option = st.builds(
    UnknownOption,
    option_type=u8.filter(lambda kind: kind > 1 and kind not in MOBILITY_OPTIONS).map(iana.OptionType),
    data=st.binary(max_size=40),
)

PLAIN_OPTIONS = {
    AlternateCareOfAddress: st.builds(AlternateCareOfAddress, address=ipv6),
    MobileNodeIdentifier: st.builds(MobileNodeIdentifier, identifier=text),
    VendorSpecific: vendor_specific,
    HomeNetworkPrefix: st.builds(HomeNetworkPrefix, prefix=prefix),
    HandoffIndicatorOption: st.builds(HandoffIndicatorOption, indicator=u8.map(iana.HandoffIndicator)),
    AccessTechnologyTypeOption: st.builds(AccessTechnologyTypeOption, technology=u8.map(iana.AccessTechnologyType)),
    MobileNodeLinkLayerIdentifier: st.builds(MobileNodeLinkLayerIdentifier, identifier=st.binary(max_size=253)),
    LinkLocalAddress: st.builds(LinkLocalAddress, address=ipv6),
    Timestamp: st.builds(Timestamp, units=u64),
    GreKey: st.builds(GreKey, key=st.none() | u32),
    ContextRequest: st.builds(
        ContextRequest,
        requests=st.lists(
            st.builds(RequestedContext, option_type=u8.map(iana.OptionType), data=st.binary(max_size=6)), max_size=20
        ).map(tuple),
    ),
    LocalMobilityAnchorAddress: st.builds(LocalMobilityAnchorAddress, address=st.ip_addresses()),
    MobileNodeInterfaceIdentifier: st.builds(
        MobileNodeInterfaceIdentifier, interface_identifier=st.binary(min_size=8, max_size=8)
    ),
    ActiveMulticastSubscription: v2_subscription | v1_subscription,
    ActiveMulticastSubscriptionIpv4: v3_subscription | older_subscription,
    NewMagIdentifier: st.builds(NewMagIdentifier, identifier=text),
    LastDelivered: st.builds(
        LastDelivered,
        source=of_a_stream,
        group=of_a_stream,
        digests=st.lists(st.binary(min_size=8, max_size=8), max_size=27).map(tuple),
    ),
    HandoverIdentifier: st.builds(HandoverIdentifier, identifier=text),
    MobilityAuthenticator: st.builds(
        MobilityAuthenticator, algorithm=u8, authenticator=st.binary(min_size=16, max_size=16)
    ),
    UnknownOption: unknown_option,
}
multicast_mobility = st.builds(
    MulticastMobility,
    records=st.lists(records(sources_max=5), max_size=8).map(tuple),
    option_code=st.sampled_from((iana.MulticastPayload.MLDV2, iana.MulticastPayload.MLDV2_FROM_COMPATIBILITY_MODE)),
) | st.builds(
    MulticastMobility,
    records=st.lists(records(sources_max=9, version=4), max_size=8).map(tuple),
    option_code=st.sampled_from((iana.MulticastPayload.IGMPV3, iana.MulticastPayload.IGMPV3_FROM_COMPATIBILITY_MODE)),
)
WORD_COUNTED_OPTIONS = {
    MulticastMobility: multicast_mobility,
    UnreadableMulticastMobility: st.builds(
        UnreadableMulticastMobility,
        option_code=u8.filter(lambda code: code not in (1, 2, 3, 4)).map(iana.MulticastPayload),
        payload=st.integers(0, 30).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words)),
        reason=st.just("payload_type_unsupported"),
    ),
    MulticastAcknowledgement: st.builds(
        MulticastAcknowledgement,
        status=u8.filter(lambda status: status != 1).map(iana.MulticastAcknowledgementStatus),
        records=st.sampled_from((4, 6)).flatmap(
            lambda version: st.lists(records(sources_max=5, version=version), max_size=8).map(tuple)
        ),
    ),
}
OPTIONS = {**PLAIN_OPTIONS, **WORD_COUNTED_OPTIONS}

plain_options = st.lists(st.one_of(*PLAIN_OPTIONS.values()), max_size=5).map(tuple)
options_with_state = st.tuples(plain_options, multicast_mobility).map(lambda parts: (*parts[0], parts[1]))


def _initiates(dialect: Dialect, multicast: bool) -> st.SearchStrategy[HandoverInitiate]:
    return st.builds(
        HandoverInitiate,
        dialect=st.just(dialect),
        sequence=u16,
        code=u8,
        buffer=flag,
        forward=flag,
        multicast=st.just(multicast),
        proxy=st.just(dialect is Dialect.RFC),
        options=options_with_state if multicast else plain_options,
    )


UPDATE_FLAGS = (
    "acknowledge", "home", "link_local", "key", "map", "router", "proxy", "forced_udp", "tlv", "bulk", "multicast",
)
acknowledge_code = u8.map(iana.HandoverAcknowledgeCode)
MESSAGES = {
    "handover_initiate": st.one_of(*(_initiates(dialect, state) for dialect in Dialect for state in (False, True))),
    "handover_acknowledge_rfc": st.builds(
        HandoverAcknowledge,
        dialect=st.just(Dialect.RFC),
        sequence=u16,
        code=acknowledge_code,
        buffer=flag,
        forward=flag,
        proxy=st.just(True),
        options=plain_options,
    ),
    "handover_acknowledge_draft": st.builds(
        HandoverAcknowledge, dialect=st.just(Dialect.DRAFT), sequence=u16, code=acknowledge_code, options=plain_options
    ),
    "binding_error": st.builds(
        BindingError, status=u8.map(iana.BindingErrorStatus), options=plain_options,
        home_address=st.builds(IPv6Address, st.integers(0, 2**128 - 1)),
    ),
    "handover_indication": st.builds(HandoverIndication, sequence=u16, options=plain_options),
    "proxy_binding_update": st.builds(
        ProxyBindingUpdate,
        sequence=u16,
        lifetime_s=u16.map(lambda units: 4 * units),
        options=plain_options,
        **dict.fromkeys(UPDATE_FLAGS, flag),
    ),
    "proxy_binding_acknowledgement": st.builds(
        ProxyBindingAcknowledgement,
        status=u8.map(iana.BindingStatus),
        sequence=u16,
        lifetime_s=u16.map(lambda units: 4 * units),
        options=plain_options,
        **dict.fromkeys(["key", "router", "proxy", "tlv", "bulk", "multicast"], flag),
    ),
    "unknown_message": st.builds(
        UnknownMobilityMessage,
        message_type=u8.filter(lambda kind: kind not in MOBILITY_MESSAGES).map(iana.MobilityHeaderType),
        data=st.integers(0, 20).flatmap(lambda words: st.binary(min_size=8 * words + 2, max_size=8 * words + 2)),
    ),
}

MLD_MESSAGES = {
    "mldv2_query": st.builds(
        Mldv2Query,
        group=group,
        maximum_response_delay_ms=u16.map(lambda code: decode_code(code, mantissa_bits=12)),
        suppress_router_processing=flag,
        robustness=st.integers(0, 7),
        query_interval_s=u8.map(lambda code: decode_code(code, mantissa_bits=4)),
        sources=st.lists(ipv6, max_size=20).map(tuple),
    ),
    "mldv1_query": st.builds(Mldv1Query, group=group, maximum_response_delay_ms=u16),
    "mldv2_report": st.builds(Mldv2Report, records=st.lists(records(sources_max=6), max_size=8).map(tuple)),
    "mldv1_report": st.builds(Mldv1Report, group=group),
    "mldv1_done": st.builds(Mldv1Done, group=group),
}

prefixes = st.builds(lambda address, length: IPv6Network((address, length), strict=False), ipv6, st.integers(0, 128))
macs = st.binary(min_size=6, max_size=6)
neighbor_options = st.lists(
    st.builds(SourceLinkLayerAddress, address=macs)
    | st.builds(TargetLinkLayerAddress, address=macs)
    | st.builds(LinkMtu, mtu=u32)
    | st.builds(
        PrefixInformation, prefix=prefixes, on_link=flag, autonomous=flag, valid_lifetime_s=u32, preferred_lifetime_s=u32
    )
    | st.builds(RouteInformation, prefix=prefixes, lifetime_s=u32, preference=st.integers(0, 3))
    | st.builds(
        UnknownNeighborOption,
        option_type=u8.filter(lambda kind: kind not in (1, 2, 3, 5, 24)).map(iana.NeighborOptionType),
        data=st.integers(0, 3).flatmap(lambda units: st.binary(min_size=8 * units + 6, max_size=8 * units + 6)),
    ),
    max_size=6,
).map(tuple)
targets = ipv6.filter(lambda address: not address.is_multicast)

NEIGHBOR_MESSAGES = {
    "router_solicitation": st.builds(RouterSolicitation, options=neighbor_options),
    "router_advertisement": st.builds(
        RouterAdvertisement, hop_limit=u8, managed=flag, other=flag, router_lifetime_s=u16, reachable_time_ms=u32,
        retransmit_timer_ms=u32, options=neighbor_options,
    ),
    "neighbor_solicitation": st.builds(NeighborSolicitation, target=targets, options=neighbor_options),
    "neighbor_advertisement": st.builds(
        NeighborAdvertisement, target=targets, router=flag, solicited=flag, override=flag, options=neighbor_options
    ),
}
