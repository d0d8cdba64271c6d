# SPDX-License-Identifier: Apache-2.0
"""The vendor specific options (RFC 5094) of this project, Vendor-ID 32473 (RFC 5612).

What the draft needs and no RFC has a number for. A MAG of another make skips them, as it must (RFC 5094 section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from southbound.codec.addresses import MAPPED_OCTETS, IpAddress, mapped_octets, of_mapped_octets
from southbound.codec.binding_options import VendorSpecific
from southbound.codec.cursor import Cursor, text_octets, unsigned
from southbound.codec.errors import EncodeError
from southbound.codec.iana import CASTOVER_VENDOR_ID, CastoverSubType, HandoverModeCode, OptionType

DIGEST_OCTETS = 8
DIGESTS_MAX = 27
"""Of one LastDelivered: 5 + 33 + 27 * 8 = 254 octets, and Length ends at 255."""
IDENTIFIER_OCTETS_MAX = 250
AUTHENTICATOR_OCTETS = 16
HMAC_SHA_256_128 = 1
"""The one Algorithm of MobilityAuthenticator."""


def _vendor_header(sub_type: CastoverSubType) -> bytes:
    return CASTOVER_VENDOR_ID.to_bytes(4, "big") + bytes((sub_type,))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMagIdentifier:
    """The n-MAG ID of the draft's HO-Initiate: the MAG's id in the topology, UTF-8.

    | 19 | 5 + n | 32473 (32) | 1 | id (n octets) |
    """

    TYPE: ClassVar[OptionType] = OptionType.VENDOR_SPECIFIC
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    identifier: str

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        return cls(identifier=cursor.text("new_mag_identifier"))

    def encode_data(self) -> bytes:
        octets = text_octets(self.identifier, IDENTIFIER_OCTETS_MAX, "new_mag_identifier")
        return _vendor_header(CastoverSubType.NEW_MAG_IDENTIFIER) + octets


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDelivered:
    """The end of what the p-MAG has sent to the MN of one stream: the n-MAG continues behind it. One option a stream.

    | 19 | Length | 32473 (32) | 2 | source (16 octets) | group (16 octets) | count | digests (8 octets each) |

    Of unicast the source is '::' and the group the address of the home network prefix.
    """

    TYPE: ClassVar[OptionType] = OptionType.VENDOR_SPECIFIC
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    source: IpAddress
    """On the wire as sixteen octets, of IPv4 as IPv4-mapped (RFC 4291 section 2.5.5.2); the group likewise."""
    group: IpAddress
    digests: tuple[bytes, ...]
    """Packet digests of eight octets, oldest first: the last one is the last packet sent. Empty: none was sent."""

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        source = of_mapped_octets(cursor.take(MAPPED_OCTETS, "last_delivered.source"))
        group = of_mapped_octets(cursor.take(MAPPED_OCTETS, "last_delivered.group"))
        count = cursor.u8("last_delivered.count")
        digests = tuple(cursor.take(DIGEST_OCTETS, "last_delivered.digest") for _ in range(count))
        cursor.finish("last_delivered")
        return cls(source=source, group=group, digests=digests)

    def encode_data(self) -> bytes:
        if len(self.digests) > DIGESTS_MAX:
            raise EncodeError("last_delivered.digests", f"{len(self.digests)} digests, allowed: {DIGESTS_MAX}")
        if any(len(digest) != DIGEST_OCTETS for digest in self.digests):
            raise EncodeError("last_delivered.digests", f"a digest has {DIGEST_OCTETS} octets")
        return b"".join(
            (
                _vendor_header(CastoverSubType.LAST_DELIVERED),
                mapped_octets(self.source),
                mapped_octets(self.group),
                unsigned(len(self.digests), 1, "last_delivered.count"),
                *self.digests,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverIdentifier:
    """The id under which one handover is traced at both MAGs and the controller, UTF-8.

    | 19 | 5 + n | 32473 (32) | 3 | id (n octets) |
    """

    TYPE: ClassVar[OptionType] = OptionType.VENDOR_SPECIFIC
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    identifier: str

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        return cls(identifier=cursor.text("handover_identifier"))

    def encode_data(self) -> bytes:
        octets = text_octets(self.identifier, IDENTIFIER_OCTETS_MAX, "handover_identifier")
        return _vendor_header(CastoverSubType.HANDOVER_IDENTIFIER) + octets


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverMode:
    """What the n-MAG shall do with the context of a HandoverInitiate; absent: predictive.

    | 19 | 6 | 32473 (32) | 4 | mode |
    """

    TYPE: ClassVar[OptionType] = OptionType.VENDOR_SPECIFIC
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    mode: HandoverModeCode

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        mode = HandoverModeCode(cursor.u8("handover_mode"))
        cursor.finish("handover_mode")
        return cls(mode=mode)

    def encode_data(self) -> bytes:
        return _vendor_header(CastoverSubType.HANDOVER_MODE) + unsigned(self.mode, 1, "handover_mode")


@dataclass(frozen=True, slots=True, kw_only=True)
class MobilityAuthenticator:
    """Who has written this Mobility Header; `southbound.codec.authenticator` makes it and checks it.

    | 19 | 22 | 32473 (32) | 5 | algorithm | authenticator (16 octets) |
    """

    TYPE: ClassVar[OptionType] = OptionType.VENDOR_SPECIFIC
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    authenticator: bytes
    algorithm: int = HMAC_SHA_256_128

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        algorithm = cursor.u8("authenticator.algorithm")
        authenticator = cursor.take(AUTHENTICATOR_OCTETS, "authenticator")
        cursor.finish("authenticator")
        return cls(authenticator=authenticator, algorithm=algorithm)

    def encode_data(self) -> bytes:
        if len(self.authenticator) != AUTHENTICATOR_OCTETS:
            raise EncodeError("authenticator", f"{len(self.authenticator)} octets, allowed: {AUTHENTICATOR_OCTETS}")
        algorithm = unsigned(self.algorithm, 1, "authenticator.algorithm")
        return _vendor_header(CastoverSubType.AUTHENTICATOR) + algorithm + self.authenticator


CastoverOption = NewMagIdentifier | LastDelivered | HandoverIdentifier | HandoverMode | MobilityAuthenticator

_CASTOVER_OPTIONS: dict[int, type[CastoverOption]] = {
    CastoverSubType.NEW_MAG_IDENTIFIER: NewMagIdentifier,
    CastoverSubType.LAST_DELIVERED: LastDelivered,
    CastoverSubType.HANDOVER_IDENTIFIER: HandoverIdentifier,
    CastoverSubType.HANDOVER_MODE: HandoverMode,
    CastoverSubType.AUTHENTICATOR: MobilityAuthenticator,
}


def decode_vendor_specific(cursor: Cursor) -> CastoverOption | VendorSpecific:
    """Option 19: one of ours by Vendor-ID and Sub-Type, else VendorSpecific."""
    start = cursor.offset
    vendor_id = cursor.u32("vendor_specific.vendor_id")
    option = _CASTOVER_OPTIONS.get(cursor.u8("vendor_specific.sub_type"))
    if vendor_id == CASTOVER_VENDOR_ID and option is not None:
        return option.decode(cursor)
    cursor.offset = start
    return VendorSpecific.decode(cursor)
