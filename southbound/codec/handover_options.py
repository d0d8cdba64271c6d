# SPDX-License-Identifier: Apache-2.0
"""Mobility options of fast handover for Proxy Mobile IPv6 (RFC 5949 section 6.2).

The RFC states no alignment for them; 8n+4 puts an address or interface identifier on an 8-octet boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import ClassVar, Self

from southbound.codec.binding_options import expect_length
from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import LocalMobilityAnchorAddressCode, OptionType

CONTEXT_REQUESTS_MAX = 64
INTERFACE_IDENTIFIER_OCTETS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedContext:
    """One wish of a Context Request: `data` is empty for 'the whole option', Vendor-ID and Sub-Type for option 19."""

    option_type: OptionType
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRequest:
    """RFC 5949 6.2.1: which context the n-MAG asks of the p-MAG in a reactive handover.

    | 40 | Length | Reserved (16) | (Req-type | Req-length | Req-data (Req-length octets))* |
    """

    TYPE: ClassVar[OptionType] = OptionType.CONTEXT_REQUEST
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    requests: tuple[RequestedContext, ...]

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        start = cursor.offset
        cursor.u16("context_request.reserved")
        requests: list[RequestedContext] = []
        while len(cursor):
            if len(requests) == CONTEXT_REQUESTS_MAX:
                raise DecodeError("bad_context_request", start, "context_request")
            option_type = OptionType(cursor.u8("context_request.type"))
            data = cursor.take(cursor.u8("context_request.length"), "context_request.data")
            requests.append(RequestedContext(option_type=option_type, data=data))
        return cls(requests=tuple(requests))

    def encode_data(self) -> bytes:
        if len(self.requests) > CONTEXT_REQUESTS_MAX:
            raise EncodeError("context_request", f"{len(self.requests)} requests, allowed: {CONTEXT_REQUESTS_MAX}")
        return b"\0\0" + b"".join(
            unsigned(request.option_type, 1, "context_request.type")
            + unsigned(len(request.data), 1, "context_request.length")
            + request.data
            for request in self.requests
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMobilityAnchorAddress:
    """RFC 5949 6.2.2: where the MN is registered. The address family is the Option-Code; other codes stay unknown.

    | 41 | 18 or 6 | Option-Code | Reserved | LMA address (16 or 4 octets) |, alignment 8n+4
    """

    TYPE: ClassVar[OptionType] = OptionType.LOCAL_MOBILITY_ANCHOR_ADDRESS
    ALIGNMENT: ClassVar[tuple[int, int]] = (8, 4)
    address: IPv6Address | IPv4Address

    @classmethod
    def decode(cls, cursor: Cursor) -> Self | None:
        octets = len(cursor)
        code = cursor.u8("local_mobility_anchor_address.option_code")
        cursor.u8("local_mobility_anchor_address.reserved")
        address: IPv6Address | IPv4Address
        if code == LocalMobilityAnchorAddressCode.IPV6 and octets == 18:
            address = cursor.ipv6("local_mobility_anchor_address")
        elif code == LocalMobilityAnchorAddressCode.IPV4 and octets == 6:
            address = cursor.ipv4("local_mobility_anchor_address")
        elif code in (LocalMobilityAnchorAddressCode.IPV6, LocalMobilityAnchorAddressCode.IPV4):
            raise DecodeError("bad_option_length", cursor.offset - 3, "local_mobility_anchor_address")
        else:
            return None
        return cls(address=address)

    def encode_data(self) -> bytes:
        is_ipv6 = isinstance(self.address, IPv6Address)
        code = LocalMobilityAnchorAddressCode.IPV6 if is_ipv6 else LocalMobilityAnchorAddressCode.IPV4
        return bytes((code, 0)) + self.address.packed


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNodeInterfaceIdentifier:
    """RFC 5949 6.2.3: the interface identifier of the MN's link-local address, eight octets.

    | 42 | 10 | Reserved (16) | interface identifier (64) |, alignment 8n+4
    """

    TYPE: ClassVar[OptionType] = OptionType.MOBILE_NODE_INTERFACE_IDENTIFIER
    ALIGNMENT: ClassVar[tuple[int, int]] = (8, 4)
    interface_identifier: bytes

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        expect_length(cursor, 2 + INTERFACE_IDENTIFIER_OCTETS, "interface_identifier")
        cursor.u16("interface_identifier.reserved")
        return cls(interface_identifier=cursor.take(INTERFACE_IDENTIFIER_OCTETS, "interface_identifier"))

    def encode_data(self) -> bytes:
        if len(self.interface_identifier) != INTERFACE_IDENTIFIER_OCTETS:
            raise EncodeError("interface_identifier", f"{len(self.interface_identifier)} octets, allowed: 8")
        return b"\0\0" + self.interface_identifier
