# SPDX-License-Identifier: Apache-2.0
"""Mobility options that carry multicast state: 56 and 57 (RFC 7161), 60 and 61 (RFC 7411).

The Length of 60 and 61 counts 32-bit words behind their first four octets; `options` handles that. RFC 7411 states no
alignment: 8n+4 puts the group address of the first record on an 8-octet boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import (
    IgmpType,
    MldType,
    Mldv2RecordType,
    MulticastAcknowledgementStatus,
    MulticastPayload,
    OptionType,
)
from southbound.codec.records import (
    MulticastAddressRecord,
    Version,
    decode_record,
    decode_records,
    encode_record,
    encode_records,
)

RECORDS_MAX = 50
"""Of a Multicast Mobility option: 4 + 50 * 20 octets. RFC 7411 5.5 says 51, which needs 256 words of 255."""
SOURCES_MAX = 62
"""Of one record in a Multicast Mobility option (RFC 7411 5.5)."""
SUBSCRIPTION_SOURCES_MAX = 14
"""Of one Active Multicast Subscription: its Length counts octets, 1 + 20 + 14 * 16 = 245."""

RECORDS_MAX_IPV4 = 127
SOURCES_MAX_IPV4 = 252
"""The same with addresses of 4 octets: 4 + 127 * 8 and 4 + 8 + 252 * 4 octets of 255 words."""
SUBSCRIPTION_SOURCES_MAX_IPV4 = 61
"""1 + 8 + 61 * 4 = 253."""

_MLDV2_PAYLOADS = (MulticastPayload.MLDV2, MulticastPayload.MLDV2_FROM_COMPATIBILITY_MODE)
_IGMPV3_PAYLOADS = (MulticastPayload.IGMPV3, MulticastPayload.IGMPV3_FROM_COMPATIBILITY_MODE)


def _version_of(option_code: MulticastPayload) -> Version | None:
    """Of the addresses in a payload of this kind; None when we know no such kind."""
    if option_code in _MLDV2_PAYLOADS:
        return 6
    return 4 if option_code in _IGMPV3_PAYLOADS else None


def _caps(version: Version) -> dict[str, int]:
    if version == 6:
        return {"records_max": RECORDS_MAX, "sources_max": SOURCES_MAX}
    return {"records_max": RECORDS_MAX_IPV4, "sources_max": SOURCES_MAX_IPV4}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveMulticastSubscription:
    """RFC 7161: the state of one MN for one group, as its MAG knows it. An unknown MLD type stays unknown.

    | 57 | Length | MLD type = 143 | one multicast address record |, alignment 8n+1
    | 57 | 21     | MLD type = 131 | Reserved (32) | group (16 octets) |
    """

    TYPE: ClassVar[OptionType] = OptionType.ACTIVE_MULTICAST_SUBSCRIPTION
    ALIGNMENT: ClassVar[tuple[int, int]] = (8, 1)
    record: MulticastAddressRecord
    """For an MLDv1 listener MODE_IS_EXCLUDE without sources, which is what an MLDv1 report means (RFC 3810 8.3.2)."""
    mld_type: MldType = MldType.V2_REPORT

    @classmethod
    def decode(cls, cursor: Cursor) -> Self | None:
        mld_type = MldType(cursor.u8("active_multicast_subscription.mld_type"))
        if mld_type == MldType.V2_REPORT:
            record = decode_record(cursor, sources_max=SUBSCRIPTION_SOURCES_MAX)
        elif mld_type == MldType.V1_REPORT:
            cursor.u32("active_multicast_subscription.reserved")
            group = cursor.ipv6("active_multicast_subscription.group")
            record = MulticastAddressRecord(record_type=Mldv2RecordType.MODE_IS_EXCLUDE, group=group)
        else:
            return None
        cursor.finish("active_multicast_subscription")
        return cls(record=record, mld_type=mld_type)

    def encode_data(self) -> bytes:
        if self.mld_type == MldType.V2_REPORT:
            octets = encode_record(self.record, sources_max=SUBSCRIPTION_SOURCES_MAX)
        elif self.mld_type == MldType.V1_REPORT:
            if self.record.record_type != Mldv2RecordType.MODE_IS_EXCLUDE or self.record.sources:
                raise EncodeError("active_multicast_subscription", "an MLDv1 report says EXCLUDE without sources only")
            octets = bytes(4) + self.record.group.packed
        else:
            raise EncodeError("active_multicast_subscription.mld_type", f"{self.mld_type!r}, allowed: 131, 143")
        return bytes((self.mld_type,)) + octets


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveMulticastSubscriptionIpv4:
    """The same for an IPv4 group: RFC 7161's option 56. An unknown IGMP type stays unknown.

    | 56 | Length | IGMP type = 0x22 | one group record |
    | 56 | 8      | IGMP type = 0x16 | Reserved (24) | group (4 octets) |
    """

    TYPE: ClassVar[OptionType] = OptionType.ACTIVE_MULTICAST_SUBSCRIPTION_IPV4
    ALIGNMENT: ClassVar[tuple[int, int]] = (4, 1)
    record: MulticastAddressRecord
    igmp_type: IgmpType = IgmpType.V3_REPORT

    @classmethod
    def decode(cls, cursor: Cursor) -> Self | None:
        igmp_type = IgmpType(cursor.u8("active_multicast_subscription_ipv4.igmp_type"))
        if igmp_type == IgmpType.V3_REPORT:
            record = decode_record(cursor, sources_max=SUBSCRIPTION_SOURCES_MAX_IPV4, version=4)
        elif igmp_type == IgmpType.V2_REPORT:
            cursor.take(3, "active_multicast_subscription_ipv4.reserved")
            group = cursor.ipv4("active_multicast_subscription_ipv4.group")
            record = MulticastAddressRecord(record_type=Mldv2RecordType.MODE_IS_EXCLUDE, group=group)
        else:
            return None
        cursor.finish("active_multicast_subscription_ipv4")
        return cls(record=record, igmp_type=igmp_type)

    def encode_data(self) -> bytes:
        if self.igmp_type == IgmpType.V3_REPORT:
            octets = encode_record(self.record, sources_max=SUBSCRIPTION_SOURCES_MAX_IPV4)
        elif self.igmp_type == IgmpType.V2_REPORT:
            if self.record.record_type != Mldv2RecordType.MODE_IS_EXCLUDE or self.record.sources:
                raise EncodeError("active_multicast_subscription_ipv4", "version 2 says EXCLUDE without sources only")
            octets = bytes(3) + self.record.group.packed
        else:
            raise EncodeError("active_multicast_subscription_ipv4.igmp_type", f"{self.igmp_type!r}, allowed: 0x16, 0x22")
        return bytes((self.igmp_type,)) + octets


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticastMobility:
    """RFC 7411 5.3: the MN's multicast state, as in an MLDv2 or IGMPv3 report without its header.

    | 60 | Length | Option-Code | Reserved | Reserved (16) | Number of Records (16) | records |, alignment 8n+4
    """

    TYPE: ClassVar[OptionType] = OptionType.MULTICAST_MOBILITY
    ALIGNMENT: ClassVar[tuple[int, int]] = (8, 4)
    records: tuple[MulticastAddressRecord, ...]
    option_code: MulticastPayload = MulticastPayload.MLDV2
    """Says the family of the records, too."""

    def encode_data(self) -> bytes:
        version = _version_of(self.option_code)
        if version is None:
            raise EncodeError("multicast_mobility.option_code", f"{self.option_code!r}, allowed: 1 to 4")
        if any(record.group.version != version for record in self.records):
            raise EncodeError("multicast_mobility.records", f"not all of IPv{version}, as {self.option_code!r} says")
        records = encode_records(self.records, **_caps(version))
        return bytes((self.option_code, 0)) + records


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableMulticastMobility:
    """A Multicast Mobility option whose payload is not what it says, or of a kind that we do not know.

    The rest of the message stands; the answer to this part is a MulticastAcknowledgement with
    PAYLOAD_TYPE_UNSUPPORTED and no records (RFC 7411 5.4).
    """

    TYPE: ClassVar[OptionType] = OptionType.MULTICAST_MOBILITY
    ALIGNMENT: ClassVar[tuple[int, int]] = (8, 4)
    option_code: MulticastPayload
    payload: bytes
    """What follows the option's first four octets, as received; whole 32-bit words."""
    reason: str
    """'payload_type_unsupported' or the DecodeError reason of its records."""

    def encode_data(self) -> bytes:
        return unsigned(self.option_code, 1, "multicast_mobility.option_code") + b"\0" + self.payload


def decode_multicast_mobility(cursor: Cursor) -> MulticastMobility | UnreadableMulticastMobility:
    """Option 60. Records that cannot be read do not spoil the message: see UnreadableMulticastMobility."""
    option_code = MulticastPayload(cursor.u8("multicast_mobility.option_code"))
    cursor.u8("multicast_mobility.reserved")
    start = cursor.offset
    payload = cursor.rest()
    reason = "payload_type_unsupported"
    version = _version_of(option_code)
    if version is not None:
        cursor.offset = start
        try:
            records = decode_records(cursor, version=version, **_caps(version))
            cursor.finish("multicast_mobility")
        except DecodeError as error:
            reason = error.reason
        else:
            return MulticastMobility(records=records, option_code=option_code)
    return UnreadableMulticastMobility(option_code=option_code, payload=payload, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticastAcknowledgement:
    """RFC 7411 5.4: what of a Multicast Mobility option is refused, one option per reason.

    Complete success has no number in the RFC: here SUCCESS without records. Nor does it say of what family the records
    are; Option-Code 0 (the RFC's) stands for MLD, that of the Multicast Mobility option (1) for IGMP.

    | 61 | Length | Option-Code | Status | Reserved (16) | Number of Records (16) | refused records |, align 8n+4
    """

    TYPE: ClassVar[OptionType] = OptionType.MULTICAST_ACKNOWLEDGEMENT
    ALIGNMENT: ClassVar[tuple[int, int]] = (8, 4)
    status: MulticastAcknowledgementStatus
    records: tuple[MulticastAddressRecord, ...] = ()

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        option_code = MulticastPayload(cursor.u8("multicast_acknowledgement.option_code"))
        status = MulticastAcknowledgementStatus(cursor.u8("multicast_acknowledgement.status"))
        version = _version_of(option_code) or 6
        records = decode_records(cursor, version=version, **_caps(version))
        cursor.finish("multicast_acknowledgement")
        return cls(status=status, records=records)

    def encode_data(self) -> bytes:
        # RFC 7411 5.4: with status 1 the number of records MUST be 0.
        if self.records and self.status == MulticastAcknowledgementStatus.PAYLOAD_TYPE_UNSUPPORTED:
            raise EncodeError("multicast_acknowledgement.records", "status 1 carries no records")
        ipv4 = any(record.group.version == 4 for record in self.records)
        if ipv4 and any(record.group.version == 6 for record in self.records):
            raise EncodeError("multicast_acknowledgement.records", "of both families")
        records = encode_records(self.records, **_caps(4 if ipv4 else 6))
        status = unsigned(self.status, 1, "multicast_acknowledgement.status")
        return bytes((MulticastPayload.IGMPV3 if ipv4 else 0,)) + status + records
