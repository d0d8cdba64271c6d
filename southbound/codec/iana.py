# SPDX-License-Identifier: Apache-2.0
"""Assigned numbers, each with the RFC that assigned it. The enums are open: an unknown number survives as itself."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

NEXT_HEADER_HOP_BY_HOP = 0
IP_PROTOCOL_IGMP = 2
NEXT_HEADER_FRAGMENT = 44
NEXT_HEADER_ICMPV6 = 58
NEXT_HEADER_NONE = 59
"""Payload Proto of every Mobility Header (RFC 6275 6.1.1)."""
NEXT_HEADER_MOBILITY = 135

CASTOVER_VENDOR_ID = 32473
"""The enterprise number for documentation and examples (RFC 5612): Castover has none of its own."""


class OpenIntEnum(IntEnum):
    """An IntEnum that also takes numbers it has no name for, so that decoding loses nothing and rejects nothing."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or value < 0:
            return None
        # Not put into the class's own tables: what a peer sends must not grow them.
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = int(value)
        return member


class MobilityHeaderType(OpenIntEnum):
    """MH Type (RFC 6275 6.1.1)."""

    BINDING_UPDATE = 5  # RFC 6275 6.1.7, RFC 5213 8.1
    BINDING_ACKNOWLEDGEMENT = 6  # RFC 6275 6.1.8, RFC 5213 8.2
    BINDING_ERROR = 7  # RFC 6275 6.1.9
    EXPERIMENTAL = 11  # RFC 5096
    HANDOVER_INITIATE = 14  # RFC 5568 6.2.1.1, RFC 5949 6.1.1
    HANDOVER_ACKNOWLEDGE = 15  # RFC 5568 6.2.1.2, RFC 5949 6.1.2
    SUBSCRIPTION_QUERY = 22  # RFC 7161
    SUBSCRIPTION_RESPONSE = 23  # RFC 7161


class OptionType(OpenIntEnum):
    """Mobility option types (RFC 6275 6.2)."""

    PAD1 = 0  # RFC 6275 6.2.2
    PADN = 1  # RFC 6275 6.2.3
    ALTERNATE_CARE_OF_ADDRESS = 3  # RFC 6275 6.2.5
    MOBILE_NODE_IDENTIFIER = 8  # RFC 4283 3
    VENDOR_SPECIFIC = 19  # RFC 5094 2
    HOME_NETWORK_PREFIX = 22  # RFC 5213 8.3
    HANDOFF_INDICATOR = 23  # RFC 5213 8.4
    ACCESS_TECHNOLOGY_TYPE = 24  # RFC 5213 8.5
    MOBILE_NODE_LINK_LAYER_IDENTIFIER = 25  # RFC 5213 8.6
    LINK_LOCAL_ADDRESS = 26  # RFC 5213 8.7
    TIMESTAMP = 27  # RFC 5213 8.8
    GRE_KEY = 33  # RFC 5845 6.1
    CONTEXT_REQUEST = 40  # RFC 5949 6.2.1
    LOCAL_MOBILITY_ANCHOR_ADDRESS = 41  # RFC 5949 6.2.2
    MOBILE_NODE_INTERFACE_IDENTIFIER = 42  # RFC 5949 6.2.3
    ACTIVE_MULTICAST_SUBSCRIPTION_IPV4 = 56  # RFC 7161
    ACTIVE_MULTICAST_SUBSCRIPTION = 57  # RFC 7161
    MULTICAST_MOBILITY = 60  # RFC 7411 5.3
    MULTICAST_ACKNOWLEDGEMENT = 61  # RFC 7411 5.4


class BindingStatus(OpenIntEnum):
    """Status of a Proxy Binding Acknowledgement (RFC 6275 6.1.8, RFC 5213 8.9). 128 and above are refusals."""

    ACCEPTED = 0
    ACCEPTED_PREFIX_DISCOVERY_NECESSARY = 1
    GRE_KEY_OPTION_NOT_REQUIRED = 2  # RFC 5845
    GRE_TUNNELING_BUT_TLV_HEADER_NOT_SUPPORTED = 3  # RFC 5845
    REASON_UNSPECIFIED = 128
    ADMINISTRATIVELY_PROHIBITED = 129
    INSUFFICIENT_RESOURCES = 130
    SEQUENCE_NUMBER_OUT_OF_WINDOW = 135
    PROXY_REG_NOT_ENABLED = 152
    NOT_LMA_FOR_THIS_MOBILE_NODE = 153
    MAG_NOT_AUTHORIZED_FOR_PROXY_REG = 154
    NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX = 155
    TIMESTAMP_MISMATCH = 156
    TIMESTAMP_LOWER_THAN_PREV_ACCEPTED = 157
    MISSING_HOME_NETWORK_PREFIX_OPTION = 158
    BCE_PBU_PREFIX_SET_DO_NOT_MATCH = 159
    MISSING_MN_IDENTIFIER_OPTION = 160
    MISSING_HANDOFF_INDICATOR_OPTION = 161
    MISSING_ACCESS_TECH_TYPE_OPTION = 162
    GRE_KEY_OPTION_REQUIRED = 163  # RFC 5845


class BindingErrorStatus(OpenIntEnum):
    """Status of a Binding Error (RFC 6275 6.1.9)."""

    UNKNOWN_BINDING = 1
    UNRECOGNIZED_MH_TYPE = 2


class HandoverInitiateCode(OpenIntEnum):
    """Code of a HandoverInitiate in the rfc dialect (RFC 5949 6.1.1). 2 means the opposite in the draft dialect."""

    DEFAULT = 0
    FORWARDING_COMPLETED = 2
    ALL_CONTEXT_TRANSFERRED = 3


class DraftHandoverInitiateCode(OpenIntEnum):
    """Code of a HandoverInitiate in the draft dialect (draft-ietf-mipshop-pfmipv6-00 6.1.1); 0 whenever F is 0."""

    DEFAULT = 0
    FORWARDING_NOT_REQUESTED = 1
    FORWARDING_REQUESTED = 2
    FORWARDING_COMPLETED = 3


class HandoverAcknowledgeCode(OpenIntEnum):
    """Code of a HandoverAcknowledge (RFC 5949 6.1.2; the draft dialect has the same values). 128 and above refuse."""

    ACCEPTED = 0
    CONTEXT_TRANSFER_ACCEPTED = 5
    ALL_CONTEXT_TRANSFERRED = 6
    NOT_ACCEPTED = 128
    ADMINISTRATIVELY_PROHIBITED = 129
    INSUFFICIENT_RESOURCES = 130
    REQUESTED_CONTEXT_NOT_AVAILABLE = 131
    FORWARDING_NOT_AVAILABLE = 132


class HandoffIndicator(OpenIntEnum):
    """Why an MN is registered (RFC 5213 8.4)."""

    RESERVED = 0
    NEW_INTERFACE = 1
    BETWEEN_INTERFACES = 2
    BETWEEN_MAGS_SAME_INTERFACE = 3
    UNKNOWN = 4
    REREGISTRATION = 5


class AccessTechnologyType(OpenIntEnum):
    """The access link of an MN (RFC 5213 8.5)."""

    RESERVED = 0
    VIRTUAL = 1
    PPP = 2
    IEEE_802_3 = 3
    IEEE_802_11 = 4
    IEEE_802_16E = 5


class LocalMobilityAnchorAddressCode(OpenIntEnum):
    """Option-Code of the LMA Address option (RFC 5949 6.2.2)."""

    IPV6 = 1
    IPV4 = 2


class MulticastPayload(OpenIntEnum):
    """Option-Code of the Multicast Mobility option (RFC 7411 5.3)."""

    IGMPV3 = 1
    MLDV2 = 2
    IGMPV3_FROM_COMPATIBILITY_MODE = 3
    MLDV2_FROM_COMPATIBILITY_MODE = 4


class MulticastAcknowledgementStatus(OpenIntEnum):
    """Status of the Multicast Acknowledgement option (RFC 7411 5.4). It assigns no success: 0 is this project's."""

    SUCCESS = 0
    PAYLOAD_TYPE_UNSUPPORTED = 1
    GROUP_SERVICE_UNSUPPORTED = 2
    ADMINISTRATIVELY_PROHIBITED = 3


class Mldv2RecordType(OpenIntEnum):
    """Record Type of a multicast address record (RFC 3810 5.2.12)."""

    MODE_IS_INCLUDE = 1
    MODE_IS_EXCLUDE = 2
    CHANGE_TO_INCLUDE_MODE = 3
    CHANGE_TO_EXCLUDE_MODE = 4
    ALLOW_NEW_SOURCES = 5
    BLOCK_OLD_SOURCES = 6


class MldType(OpenIntEnum):
    """ICMPv6 types of MLD (RFC 2710 3, RFC 3810 5)."""

    QUERY = 130
    V1_REPORT = 131
    V1_DONE = 132
    V2_REPORT = 143


class IgmpType(OpenIntEnum):
    """IGMP types (RFC 2236 2, RFC 3376 4)."""

    QUERY = 0x11
    V1_REPORT = 0x12
    V2_REPORT = 0x16
    V2_LEAVE = 0x17
    V3_REPORT = 0x22


class NeighborDiscoveryType(OpenIntEnum):
    """ICMPv6 types of Neighbor Discovery (RFC 4861 4)."""

    ROUTER_SOLICITATION = 133
    ROUTER_ADVERTISEMENT = 134
    NEIGHBOR_SOLICITATION = 135
    NEIGHBOR_ADVERTISEMENT = 136


class NeighborOptionType(OpenIntEnum):
    """Options of Neighbor Discovery messages (RFC 4861 4.6)."""

    SOURCE_LINK_LAYER_ADDRESS = 1
    TARGET_LINK_LAYER_ADDRESS = 2
    PREFIX_INFORMATION = 3
    REDIRECTED_HEADER = 4
    MTU = 5
    ROUTE_INFORMATION = 24  # RFC 4191 2.3


class CastoverSubType(OpenIntEnum):
    """Sub-Type of a vendor specific option with CASTOVER_VENDOR_ID."""

    NEW_MAG_IDENTIFIER = 1
    LAST_DELIVERED = 2
    HANDOVER_IDENTIFIER = 3
    HANDOVER_MODE = 4
    AUTHENTICATOR = 5


class HandoverModeCode(OpenIntEnum):
    """What the n-MAG shall do with a context that came ahead: Castover's own HandoverMode option."""

    PREDICTIVE = 0
    JOIN = 1
    RELAYED = 2  # the p-MAG's agent sends the packets, under a GRE key of this MN's own
    MORE_FOLLOWS = 3  # this is a part of the context, and not the last one


class ContextTransferType(OpenIntEnum):
    """Type of a CXTP message (RFC 4067 2.5), of those that routers exchange."""

    DATA = 3
    DATA_REPLY = 5
    CANCEL = 6
    REQUEST = 7


class FeatureProfileType(OpenIntEnum):
    """Feature Profile Type of a CXTP context data block (RFC 4065 6)."""

    IPV6_MULTICAST_LISTENER = 1  # RFC 4067 appendix B
    MLDV2_LISTENER = 0xFF03  # not assigned by IANA: Castover's own, for groups with a source list
    IGMPV3_LISTENER = 0xFF04  # likewise, for IPv4 groups
