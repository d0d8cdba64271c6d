# SPDX-License-Identifier: Apache-2.0
"""What a message says, without walking its options by hand. Where an option repeats that must not, the first counts."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TypeVar

from southbound.codec.binding_options import (
    AccessTechnologyTypeOption,
    GreKey,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Timestamp,
)
from southbound.codec.castover_options import HandoverIdentifier, LastDelivered, NewMagIdentifier
from southbound.codec.handover_options import LocalMobilityAnchorAddress
from southbound.codec.iana import AccessTechnologyType, HandoffIndicator
from southbound.codec.mobility import OptionMessage
from southbound.codec.multicast_options import (
    ActiveMulticastSubscription,
    ActiveMulticastSubscriptionIpv4,
    MulticastAcknowledgement,
    MulticastMobility,
)
from southbound.codec.records import MulticastAddressRecord

Option = TypeVar("Option")


def find_options(message: OptionMessage, kind: type[Option]) -> tuple[Option, ...]:
    """All options of this class, in wire order."""
    return tuple(option for option in message.options if isinstance(option, kind))


def find_option(message: OptionMessage, kind: type[Option]) -> Option | None:
    """The first option of this class, or None."""
    for option in message.options:
        if isinstance(option, kind):
            return option
    return None


def mn_id(message: OptionMessage) -> str | None:
    """The MN-ID (a NAI), None without the option; empty when the option is empty."""
    option = find_option(message, MobileNodeIdentifier)
    return None if option is None else option.identifier


def home_network_prefixes(message: OptionMessage) -> tuple[IPv6Network, ...]:
    """Every home network prefix; an MN may have several (RFC 5213 8.3)."""
    return tuple(option.prefix for option in find_options(message, HomeNetworkPrefix))


def link_layer_id(message: OptionMessage) -> bytes | None:
    """The MN-LLI."""
    option = find_option(message, MobileNodeLinkLayerIdentifier)
    return None if option is None else option.identifier


def lma_address(message: OptionMessage) -> IPv6Address | IPv4Address | None:
    """The LMA's address (LMAA)."""
    option = find_option(message, LocalMobilityAnchorAddress)
    return None if option is None else option.address


def handoff_indicator(message: OptionMessage) -> HandoffIndicator | None:
    """The Handoff Indicator."""
    option = find_option(message, HandoffIndicatorOption)
    return None if option is None else option.indicator


def access_technology_type(message: OptionMessage) -> AccessTechnologyType | None:
    """The access technology type (ATT)."""
    option = find_option(message, AccessTechnologyTypeOption)
    return None if option is None else option.technology


def timestamp(message: OptionMessage) -> Timestamp | None:
    """The Timestamp option itself: comparing and echoing want its exact units."""
    return find_option(message, Timestamp)


def gre_key(message: OptionMessage) -> int | None:
    """The GRE key; None also when the option asks for one."""
    option = find_option(message, GreKey)
    return None if option is None else option.key


def new_mag_id(message: OptionMessage) -> str | None:
    """The n-MAG ID of a HandoverIndication."""
    option = find_option(message, NewMagIdentifier)
    return None if option is None else option.identifier


def handover_id(message: OptionMessage) -> str | None:
    """The id under which the handover is traced."""
    option = find_option(message, HandoverIdentifier)
    return None if option is None else option.identifier


def last_delivered(message: OptionMessage) -> tuple[LastDelivered, ...]:
    """The p-MAG's word on what it delivered last, one item a stream."""
    return find_options(message, LastDelivered)


def multicast_records(message: OptionMessage) -> tuple[MulticastAddressRecord, ...]:
    """The multicast state: all records of options 60 (HI, HAck), 57 and 56 (PBU, PBA), in wire order."""
    records: list[MulticastAddressRecord] = []
    for option in message.options:
        if isinstance(option, MulticastMobility):
            records.extend(option.records)
        elif isinstance(option, ActiveMulticastSubscription | ActiveMulticastSubscriptionIpv4):
            records.append(option.record)
    return tuple(records)


def multicast_acknowledgements(message: OptionMessage) -> tuple[MulticastAcknowledgement, ...]:
    """What of the multicast state is refused, one item a reason. None at all with an accepting code: nothing is."""
    return find_options(message, MulticastAcknowledgement)
