# SPDX-License-Identifier: Apache-2.0
"""The options of a Mobility Header: one table, one walk over the octets, one way back (RFC 6275 section 6.2.1).

    | Type | Length | data (Length octets) |       Pad1: the single octet 0       PadN: | 1 | N - 2 | zeros |

Options 60 and 61 count their Length in 32-bit words without the first four octets (RFC 7411 5.3), so a walk by the
generic rule loses its step there. A peer that reads or writes octets is served with option_length_unit="octets".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from southbound.codec.binding_options import (
    AccessTechnologyTypeOption,
    AlternateCareOfAddress,
    GreKey,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    LinkLocalAddress,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Timestamp,
    VendorSpecific,
)
from southbound.codec.castover_options import (
    CastoverOption,
    HandoverIdentifier,
    LastDelivered,
    MobilityAuthenticator,
    NewMagIdentifier,
    decode_vendor_specific,
)
from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.handover_options import (
    ContextRequest,
    LocalMobilityAnchorAddress,
    MobileNodeInterfaceIdentifier,
    RequestedContext,
)
from southbound.codec.iana import OptionType
from southbound.codec.multicast_options import (
    ActiveMulticastSubscription,
    ActiveMulticastSubscriptionIpv4,
    MulticastAcknowledgement,
    MulticastMobility,
    UnreadableMulticastMobility,
    decode_multicast_mobility,
)

__all__ = [
    "MOBILITY_OPTIONS",
    "OCTETS",
    "OPTIONS_MAX",
    "WORDS",
    "AccessTechnologyTypeOption",
    "ActiveMulticastSubscription",
    "ActiveMulticastSubscriptionIpv4",
    "AlternateCareOfAddress",
    "ContextRequest",
    "GreKey",
    "HandoffIndicatorOption",
    "HandoverIdentifier",
    "HomeNetworkPrefix",
    "LastDelivered",
    "LinkLocalAddress",
    "LocalMobilityAnchorAddress",
    "MobileNodeIdentifier",
    "MobileNodeInterfaceIdentifier",
    "MobileNodeLinkLayerIdentifier",
    "MobilityAuthenticator",
    "MobilityOption",
    "MulticastAcknowledgement",
    "MulticastMobility",
    "NewMagIdentifier",
    "RequestedContext",
    "Timestamp",
    "UnknownOption",
    "UnreadableMulticastMobility",
    "VendorSpecific",
    "decode_options",
    "encode_options",
    "records_octets_max",
]

OPTIONS_MAX = 64
"""Of one message, padding not counted."""
WORDS = "words"
OCTETS = "octets"
_WORD_COUNTED = (OptionType.MULTICAST_MOBILITY, OptionType.MULTICAST_ACKNOWLEDGEMENT)
_BEFORE_RECORDS_OCTETS = 2 + 4
"""Option-Code with its neighbour, and the count line. A Length in words leaves the first two out."""
_UNALIGNED = (1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownOption:
    """An option this codec has no meaning for, kept byte for byte. What to do with it is the core's decision."""

    option_type: OptionType
    data: bytes
    """What follows the Length octet."""


MobilityOption = (
    AlternateCareOfAddress
    | MobileNodeIdentifier
    | VendorSpecific
    | HomeNetworkPrefix
    | HandoffIndicatorOption
    | AccessTechnologyTypeOption
    | MobileNodeLinkLayerIdentifier
    | LinkLocalAddress
    | Timestamp
    | GreKey
    | ContextRequest
    | LocalMobilityAnchorAddress
    | MobileNodeInterfaceIdentifier
    | ActiveMulticastSubscription
    | ActiveMulticastSubscriptionIpv4
    | MulticastMobility
    | UnreadableMulticastMobility
    | MulticastAcknowledgement
    | CastoverOption
    | UnknownOption
)

MOBILITY_OPTIONS: dict[int, Callable[[Cursor], MobilityOption | None]] = {
    OptionType.ALTERNATE_CARE_OF_ADDRESS: AlternateCareOfAddress.decode,
    OptionType.MOBILE_NODE_IDENTIFIER: MobileNodeIdentifier.decode,
    OptionType.VENDOR_SPECIFIC: decode_vendor_specific,
    OptionType.HOME_NETWORK_PREFIX: HomeNetworkPrefix.decode,
    OptionType.HANDOFF_INDICATOR: HandoffIndicatorOption.decode,
    OptionType.ACCESS_TECHNOLOGY_TYPE: AccessTechnologyTypeOption.decode,
    OptionType.MOBILE_NODE_LINK_LAYER_IDENTIFIER: MobileNodeLinkLayerIdentifier.decode,
    OptionType.LINK_LOCAL_ADDRESS: LinkLocalAddress.decode,
    OptionType.TIMESTAMP: Timestamp.decode,
    OptionType.GRE_KEY: GreKey.decode,
    OptionType.CONTEXT_REQUEST: ContextRequest.decode,
    OptionType.LOCAL_MOBILITY_ANCHOR_ADDRESS: LocalMobilityAnchorAddress.decode,
    OptionType.MOBILE_NODE_INTERFACE_IDENTIFIER: MobileNodeInterfaceIdentifier.decode,
    OptionType.ACTIVE_MULTICAST_SUBSCRIPTION_IPV4: ActiveMulticastSubscriptionIpv4.decode,
    OptionType.ACTIVE_MULTICAST_SUBSCRIPTION: ActiveMulticastSubscription.decode,
    OptionType.MULTICAST_MOBILITY: decode_multicast_mobility,
    OptionType.MULTICAST_ACKNOWLEDGEMENT: MulticastAcknowledgement.decode,
}
"""Option type -> decoder over the octets behind Length; None from it = keep as UnknownOption."""


def records_octets_max(option_length_unit: str) -> int:
    """Octets of records that one option 60 or 61 holds: all that its Length can say, without what stands before them."""
    most = 2 + 4 * 255 if _counts_words(option_length_unit) else 2 + (255 - 2) // 4 * 4
    return most - _BEFORE_RECORDS_OCTETS


def decode_options(cursor: Cursor, *, option_length_unit: str = WORDS) -> tuple[MobilityOption, ...]:
    """All options under the cursor in wire order, padding left out.

    Unknown types are kept and do not disturb the others (RFC 6275 6.2.1). Raises DecodeError: option_overruns_header,
    too_many_options, bad_option_length and what the single options raise.
    """
    in_words = _counts_words(option_length_unit)
    options: list[MobilityOption] = []
    while len(cursor):
        at = cursor.offset
        kind = cursor.u8("option_type")
        if kind == OptionType.PAD1:
            continue
        length = cursor.u8("option_length")
        if kind in _WORD_COUNTED and in_words:
            length = 2 + 4 * length
        if length > len(cursor):
            raise DecodeError("option_overruns_header", at, "option_length")
        data = cursor.window(length, "option")
        if kind == OptionType.PADN:
            continue
        if kind in _WORD_COUNTED and length % 4 != 2:
            raise DecodeError("bad_option_length", at + 1, "option_length")
        if len(options) == OPTIONS_MAX:
            raise DecodeError("too_many_options", at, "options")
        options.append(_decode_option(kind, data))
    return tuple(options)


def _decode_option(kind: int, data: Cursor) -> MobilityOption:
    decoder = MOBILITY_OPTIONS.get(kind)
    start = data.offset
    option = None if decoder is None else decoder(data)
    if option is None:
        data.offset = start
        option = UnknownOption(option_type=OptionType(kind), data=data.rest())
    return option


def encode_options(options: Sequence[MobilityOption], start: int, *, option_length_unit: str = WORDS) -> bytes:
    """The options as they stand behind `start` octets of message, aligned, and padded to a multiple of 8 octets.

    The order is the caller's, but 60 and 61 always go last: a peer that walks them by the generic rule then loses
    only its own way to the end. Raises EncodeError.
    """
    in_words = _counts_words(option_length_unit)
    if len(options) > OPTIONS_MAX:
        raise EncodeError("options", f"{len(options)} options, allowed: {OPTIONS_MAX}")
    out = bytearray()
    for option in sorted(options, key=_goes_last):
        if isinstance(option, UnknownOption):
            kind, (modulus, residue), data = option.option_type, _UNALIGNED, option.data
            if kind in (OptionType.PAD1, OptionType.PADN, *_WORD_COUNTED):
                raise EncodeError("option_type", f"{kind!r} cannot be an unknown option")
        else:
            kind, (modulus, residue), data = option.TYPE, option.ALIGNMENT, option.encode_data()
        length = len(data)
        if kind in _WORD_COUNTED:
            if length % 4 != 2:
                raise EncodeError("option_length", f"{length - 2} octets of payload, allowed: a multiple of 4")
            if in_words:
                length = (length - 2) // 4
        out += _padding((residue - start - len(out)) % modulus)
        out += unsigned(kind, 1, "option_type") + unsigned(length, 1, "option_length") + data
    out += _padding(-(start + len(out)) % 8)
    return bytes(out)


def _goes_last(option: MobilityOption) -> bool:
    return isinstance(option, (MulticastMobility, UnreadableMulticastMobility, MulticastAcknowledgement))


def _padding(octets: int) -> bytes:
    """Pad1 or one PadN of that many octets (RFC 6275 6.2.2 and 6.2.3)."""
    if octets < 2:
        return bytes(octets)
    return bytes((OptionType.PADN, octets - 2)) + bytes(octets - 2)


def _counts_words(option_length_unit: str) -> bool:
    if option_length_unit not in (WORDS, OCTETS):
        raise ValueError(f"option_length_unit: found {option_length_unit!r}, allowed: {WORDS!r}, {OCTETS!r}")
    return option_length_unit == WORDS
