# SPDX-License-Identifier: Apache-2.0
"""The Mobility Header (RFC 6275 section 6.1.1): octets of IPv6 next header 135 <-> messages.

 0               1               2               3
+---------------+---------------+---------------+---------------+
| Payload Proto |  Header Len   |    MH Type    |   Reserved    |   Payload Proto = 59
+---------------+---------------+---------------+---------------+   Header Len = octets / 8 - 1
|           Checksum            |  message data, then options   |
+-------------------------------+-------------------------------+
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.binding_error import BindingError
from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.handover import (
    Dialect,
    HandoverAcknowledge,
    HandoverIndication,
    HandoverInitiate,
    InitiatePurpose,
    initiate_code,
)
from southbound.codec.iana import NEXT_HEADER_MOBILITY, NEXT_HEADER_NONE, MobilityHeaderType
from southbound.codec.ipv6 import Ipv6Packet, decode_ipv6, encode_ipv6, upper_layer_checksum
from southbound.codec.options import WORDS, decode_options, encode_options

__all__ = [
    "MOBILITY_MESSAGES",
    "Dialect",
    "HandoverAcknowledge",
    "HandoverIndication",
    "HandoverInitiate",
    "InitiatePurpose",
    "MobilityMessage",
    "MobilityPacket",
    "OptionMessage",
    "ProxyBindingAcknowledgement",
    "ProxyBindingUpdate",
    "UnknownMobilityMessage",
    "decode_mobility",
    "decode_mobility_packet",
    "encode_mobility",
    "encode_mobility_packet",
    "initiate_code",
]

HEADER_OCTETS_MAX = 2048
"""(255 + 1) * 8."""
_MESSAGE_DATA_OFFSET = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownMobilityMessage:
    """A message of an MH type that nobody here speaks. RFC 6275 9.2 answers it with a Binding Error, status 2."""

    message_type: MobilityHeaderType
    data: bytes
    """What follows the checksum, as received."""


OptionMessage = (
    HandoverInitiate | HandoverAcknowledge | HandoverIndication | ProxyBindingUpdate | ProxyBindingAcknowledgement
    | BindingError
)
"""Every message that carries options."""
MobilityMessage = OptionMessage | UnknownMobilityMessage

MOBILITY_MESSAGES: dict[int, type[OptionMessage]] = {
    MobilityHeaderType.BINDING_UPDATE: ProxyBindingUpdate,
    MobilityHeaderType.BINDING_ACKNOWLEDGEMENT: ProxyBindingAcknowledgement,
    MobilityHeaderType.BINDING_ERROR: BindingError,
    MobilityHeaderType.EXPERIMENTAL: HandoverIndication,
    MobilityHeaderType.HANDOVER_INITIATE: HandoverInitiate,
    MobilityHeaderType.HANDOVER_ACKNOWLEDGE: HandoverAcknowledge,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MobilityPacket:
    """A message and who sent it to whom."""

    source: IPv6Address
    destination: IPv6Address
    message: MobilityMessage


def decode_mobility(
    header: bytes,
    source: IPv6Address,
    destination: IPv6Address,
    dialect: Dialect,
    *,
    option_length_unit: str = WORDS,
    verify_checksum: bool = True,
) -> MobilityMessage:
    """The message in a whole Mobility Header that came from `source` to `destination`.

    `dialect` decides how MH types 14 and 15 are read. `option_length_unit` is 'words' or 'octets', for the Length of
    options 60 and 61. Checks in the order of RFC 6275 9.2; raises DecodeError: truncated, bad_checksum,
    bad_payload_proto (offset 0), header_too_short (offset 1), header_length_mismatch, and those of the options.
    """
    cursor = Cursor(header)
    payload_proto = cursor.u8("payload_proto")
    octets = 8 * (cursor.u8("header_len") + 1)
    message_type = MobilityHeaderType(cursor.u8("mh_type"))
    cursor.u8("reserved")
    cursor.u16("checksum")
    if verify_checksum and upper_layer_checksum(source, destination, NEXT_HEADER_MOBILITY, header) != 0:
        raise DecodeError("bad_checksum", 4, "checksum")
    kind = MOBILITY_MESSAGES.get(message_type)
    if kind is None:
        return UnknownMobilityMessage(message_type=message_type, data=cursor.rest())
    if payload_proto != NEXT_HEADER_NONE:
        raise DecodeError("bad_payload_proto", 0, "payload_proto")
    start = kind.options_offset(dialect)
    if octets < start:
        raise DecodeError("header_too_short", 1, "header_len")
    if octets != len(header):
        raise DecodeError("header_length_mismatch", 1, "header_len")
    options = decode_options(Cursor(header, start), option_length_unit=option_length_unit)
    return kind.decode(Cursor(header, _MESSAGE_DATA_OFFSET, start), options, dialect)


def encode_mobility(
    message: MobilityMessage, source: IPv6Address, destination: IPv6Address, *, option_length_unit: str = WORDS
) -> bytes:
    """The whole Mobility Header: a multiple of 8 octets, at most 2048, checksum filled. Raises EncodeError."""
    if isinstance(message, UnknownMobilityMessage):
        message_type, body = message.message_type, message.data
        if (_MESSAGE_DATA_OFFSET + len(body)) % 8:
            raise EncodeError("data", f"{len(body)} octets do not end at a multiple of 8")
    else:
        message_type, data = message.TYPE, message.encode_message_data()
        start = _MESSAGE_DATA_OFFSET + len(data)
        body = data + encode_options(message.options, start, option_length_unit=option_length_unit)
    octets = _MESSAGE_DATA_OFFSET + len(body)
    if octets > HEADER_OCTETS_MAX:
        raise EncodeError("options", f"the message has {octets} octets, allowed: {HEADER_OCTETS_MAX}")
    start_of_header = bytes((NEXT_HEADER_NONE, octets // 8 - 1)) + unsigned(message_type, 1, "mh_type") + b"\0"
    checksum = upper_layer_checksum(source, destination, NEXT_HEADER_MOBILITY, start_of_header + b"\0\0" + body)
    return start_of_header + checksum.to_bytes(2, "big") + body


def decode_mobility_packet(packet: bytes, dialect: Dialect, *, option_length_unit: str = WORDS) -> MobilityPacket:
    """The message in a whole IPv6 packet. Raises DecodeError: not_mobility, those of decode_ipv6 and decode_mobility.

    Offsets of the latter count from the Mobility Header, not from the packet.
    """
    outer = decode_ipv6(packet)
    if outer.next_header != NEXT_HEADER_MOBILITY:
        raise DecodeError("not_mobility", 6, "next_header")
    message = decode_mobility(
        outer.payload, outer.source, outer.destination, dialect, option_length_unit=option_length_unit
    )
    return MobilityPacket(source=outer.source, destination=outer.destination, message=message)


def encode_mobility_packet(
    message: MobilityMessage, source: IPv6Address, destination: IPv6Address, *, option_length_unit: str = WORDS
) -> bytes:
    """The whole IPv6 packet with hop limit 64. Raises EncodeError."""
    header = encode_mobility(message, source, destination, option_length_unit=option_length_unit)
    return encode_ipv6(
        Ipv6Packet(source=source, destination=destination, next_header=NEXT_HEADER_MOBILITY, payload=header)
    )
