# SPDX-License-Identifier: Apache-2.0
"""The Context Transfer Protocol between two routers (CXTP, RFC 4067): CT-Req, CTD, CTDR. MNs by IPv6 addresses only.

All messages begin with

     0                   1                   2                   3
    +-----+---------+-+-+-----------+-------------------------------+
    |Vers.|  Type   |V|A| Reserved  |      Length (octets)          |
    +-----+---------+-+-+-----------+-------------------------------+
    |              MN's previous IP address (16 octets)             |   in CTD after 'Elapsed Time'
    +---------------------------------------------------------------+

V = 0 says IPv6. The second flag is A in CTD (acknowledge) and S in CTDR (all received).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from typing import ClassVar

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import ContextTransferType, FeatureProfileType, Mldv2RecordType
from southbound.codec.multicast_options import SOURCES_MAX, SOURCES_MAX_IPV4
from southbound.codec.records import MulticastAddressRecord, decode_record, encode_record

PORT = 5091
"""The number that RFC 4065 section 2 assigns for SCTP. Here it is UDP's, which RFC 4067 section 3.1 allows for
experiments whose retransmissions back off exponentially."""
BLOCKS_MAX = 64
"""Context data blocks in one CTD; a context has 50 groups at most."""
_VERSION = 1
_IPV4, _SECOND_FLAG, _PRESENCE = 0x80, 0x40, 0x80
_WORD_OCTETS = 8
_PREFIX_OCTETS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextDataBlock:
    """RFC 4067 section 2.4. `data` ends with the zeros that pad the block to whole words of eight octets.

    | Feature Profile Type (16) | Length (8-octet words) |P| Reserved | presence vector (32, if P) | data |
    """

    profile: FeatureProfileType
    data: bytes
    presence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextTransferRequest:
    """CT-Req (section 2.5.6), from the new router. Without requested blocks all contexts are asked for."""

    TYPE: ClassVar[ContextTransferType] = ContextTransferType.REQUEST
    previous_address: IPv6Address
    sequence: int
    authorization_token: int = 0
    """Zero: the MN has sent none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextTransferData:
    """CTD (section 2.5.3), from the previous router."""

    TYPE: ClassVar[ContextTransferType] = ContextTransferType.DATA
    previous_address: IPv6Address
    elapsed_ms: int = 0
    """Since the first CTD for this MN."""
    acknowledge: bool = False
    blocks: tuple[ContextDataBlock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextTransferDataReply:
    """CTDR (section 2.5.4), from the new router."""

    TYPE: ClassVar[ContextTransferType] = ContextTransferType.DATA_REPLY
    previous_address: IPv6Address
    success: bool
    statuses: tuple[tuple[FeatureProfileType, int], ...] = ()
    """(profile, status code); 0 is success."""


ContextTransferMessage = ContextTransferRequest | ContextTransferData | ContextTransferDataReply


def encode_context_transfer(message: ContextTransferMessage) -> bytes:
    """The octets of one message. Raises EncodeError."""
    address, flag = message.previous_address.packed, False
    match message:
        case ContextTransferRequest(sequence=sequence, authorization_token=token):
            body = address + unsigned(sequence, 4, "sequence") + unsigned(token, 4, "authorization_token")
        case ContextTransferData(elapsed_ms=elapsed_ms, blocks=blocks):
            if len(blocks) > BLOCKS_MAX:
                raise EncodeError("blocks", f"{len(blocks)} blocks, allowed: {BLOCKS_MAX}")
            flag = message.acknowledge
            body = unsigned(elapsed_ms, 4, "elapsed_time") + address + b"".join(_block(block) for block in blocks)
        case ContextTransferDataReply(statuses=statuses):
            flag = message.success
            listed = [
                unsigned(profile, 2, "profile") + unsigned(status, 1, "status") + b"\0" for profile, status in statuses
            ]
            body = address + b"".join(listed)
    first = bytes((_VERSION << 5 | message.TYPE, _SECOND_FLAG if flag else 0))
    return first + unsigned(4 + len(body), 2, "length") + body


def decode_context_transfer(datagram: bytes) -> ContextTransferMessage:
    """The message of a datagram.

    Raises DecodeError: truncated, unknown_version, unknown_type, ipv4_address, bad_length, bad_block_length,
    too_many_blocks, trailing_octets.
    """
    cursor = Cursor(datagram)
    first, flags, length = cursor.u8("type"), cursor.u8("flags"), cursor.u16("length")
    if first >> 5 != _VERSION:
        raise DecodeError("unknown_version", 0, "version")
    if flags & _IPV4:
        raise DecodeError("ipv4_address", 1, "flags")
    if length != len(datagram):
        raise DecodeError("bad_length", 2, "length")
    flag = bool(flags & _SECOND_FLAG)
    match ContextTransferType(first & 0x1F):
        case ContextTransferType.REQUEST:
            request = ContextTransferRequest(
                previous_address=cursor.ipv6("previous_address"),
                sequence=cursor.u32("sequence"),
                authorization_token=cursor.u32("authorization_token"),
            )
            # What is asked for by name is part of all that is sent anyway.
            cursor.rest()
            return request
        case ContextTransferType.DATA:
            elapsed_ms, address = cursor.u32("elapsed_time"), cursor.ipv6("previous_address")
            return ContextTransferData(
                previous_address=address, elapsed_ms=elapsed_ms, acknowledge=flag, blocks=_blocks(cursor)
            )
        case ContextTransferType.DATA_REPLY:
            address = cursor.ipv6("previous_address")
            statuses: list[tuple[FeatureProfileType, int]] = []
            while len(cursor):
                if len(statuses) == BLOCKS_MAX:
                    raise DecodeError("too_many_blocks", cursor.offset, "status")
                statuses.append((FeatureProfileType(cursor.u16("profile")), cursor.u8("status")))
                cursor.u8("reserved")
            return ContextTransferDataReply(previous_address=address, success=flag, statuses=tuple(statuses))
    raise DecodeError("unknown_type", 0, "type")


def listener_block(prefix: IPv6Network, record: MulticastAddressRecord) -> ContextDataBlock:
    """The block that carries one group: that of RFC 4067 appendix B, which knows no sources and no IPv4, or our own.

    | subnet prefix (8 octets) | group (16 octets) |              IPV6_MULTICAST_LISTENER
    | subnet prefix (8 octets) | multicast address record |       MLDV2_LISTENER (RFC 3810 5.2.4)
    | subnet prefix (8 octets) | group record |                   IGMPV3_LISTENER (RFC 3376 4.2.4)
    """
    network = prefix.network_address.packed[:_PREFIX_OCTETS]
    if record.group.version == 4:
        data = network + encode_record(record, sources_max=SOURCES_MAX_IPV4)
        profile = FeatureProfileType.IGMPV3_LISTENER
    elif record.record_type == Mldv2RecordType.MODE_IS_EXCLUDE and not record.sources:
        data, profile = network + record.group.packed, FeatureProfileType.IPV6_MULTICAST_LISTENER
    else:
        data, profile = network + encode_record(record, sources_max=SOURCES_MAX), FeatureProfileType.MLDV2_LISTENER
    return ContextDataBlock(profile=profile, data=data + bytes(-(4 + len(data)) % _WORD_OCTETS))


def record_of(block: ContextDataBlock) -> MulticastAddressRecord | None:
    """What `listener_block` has put there; None for other profiles and for blocks that leave fields out.

    Raises DecodeError: truncated, too_many_sources.
    """
    if block.presence is not None:
        return None
    cursor = Cursor(block.data)
    match block.profile:
        case FeatureProfileType.IPV6_MULTICAST_LISTENER:
            cursor.take(_PREFIX_OCTETS, "subnet_prefix")
            return MulticastAddressRecord(
                record_type=Mldv2RecordType.MODE_IS_EXCLUDE, group=cursor.ipv6("subscribed_address")
            )
        case FeatureProfileType.MLDV2_LISTENER:
            cursor.take(_PREFIX_OCTETS, "subnet_prefix")
            return decode_record(cursor, sources_max=SOURCES_MAX)
        case FeatureProfileType.IGMPV3_LISTENER:
            cursor.take(_PREFIX_OCTETS, "subnet_prefix")
            return decode_record(cursor, sources_max=SOURCES_MAX_IPV4, version=4)
    return None


def _block(block: ContextDataBlock) -> bytes:
    presence = b"" if block.presence is None else unsigned(block.presence, 4, "presence_vector")
    octets = 4 + len(presence) + len(block.data)
    if octets % _WORD_OCTETS:
        raise EncodeError("block", f"{octets} octets, allowed: a multiple of {_WORD_OCTETS}")
    header = unsigned(block.profile, 2, "profile") + unsigned(octets // _WORD_OCTETS, 1, "block_length")
    return header + bytes((_PRESENCE if presence else 0,)) + presence + block.data


def _blocks(cursor: Cursor) -> tuple[ContextDataBlock, ...]:
    blocks: list[ContextDataBlock] = []
    while len(cursor):
        start = cursor.offset
        if len(blocks) == BLOCKS_MAX:
            raise DecodeError("too_many_blocks", start, "block")
        profile, words, flags = cursor.u16("profile"), cursor.u8("block_length"), cursor.u8("block_flags")
        if words == 0:
            raise DecodeError("bad_block_length", start + 2, "block_length")
        body = cursor.window(_WORD_OCTETS * words - 4, "block")
        presence = body.u32("presence_vector") if flags & _PRESENCE else None
        blocks.append(ContextDataBlock(profile=FeatureProfileType(profile), data=body.rest(), presence=presence))
    return tuple(blocks)
