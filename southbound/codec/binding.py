# SPDX-License-Identifier: Apache-2.0
"""ProxyBindingUpdate and ProxyBindingAcknowledgement (RFC 5213 sections 8.1 and 8.2, RFC 6275 6.1.7 and 6.1.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import EncodeError
from southbound.codec.handover import Dialect
from southbound.codec.iana import BindingStatus, MobilityHeaderType
from southbound.codec.options import MobilityOption

LIFETIME_UNIT_S = 4
OPTIONS_OFFSET = 12
_REFUSAL = 128

_UPDATE_FLAGS = {
    "acknowledge": 0x8000,  # A, RFC 6275
    "home": 0x4000,  # H, RFC 6275
    "link_local": 0x2000,  # L, RFC 6275
    "key": 0x1000,  # K, RFC 6275
    "map": 0x0800,  # M, RFC 5380: mobility anchor point, nothing to do with multicast
    "router": 0x0400,  # R, RFC 3963
    "proxy": 0x0200,  # P, RFC 5213
    "forced_udp": 0x0100,  # F, RFC 5555; where draft-asaeda-multimob-pmip6-extension puts its C flag
    "tlv": 0x0080,  # T, RFC 5845
    "bulk": 0x0040,  # B, RFC 6602
    "multicast": 0x0020,  # S, RFC 7161 section 9 (its figure has it elsewhere)
}
_ACKNOWLEDGEMENT_FLAGS = {
    "key": 0x80,
    "router": 0x40,
    "proxy": 0x20,
    "tlv": 0x10,
    "bulk": 0x08,
    "multicast": 0x04,
}


def _lifetime_octets(lifetime_s: int) -> bytes:
    if lifetime_s % LIFETIME_UNIT_S:
        raise EncodeError("lifetime_s", f"{lifetime_s} s, allowed: multiples of {LIFETIME_UNIT_S} s")
    return unsigned(lifetime_s // LIFETIME_UNIT_S, 2, "lifetime_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyBindingUpdate:
    """MH type 5. A Binding Update of Mobile IPv6 is the same message with `proxy` False.

    6                 8                        10              12
    | Sequence # (16) |A|H|L|K|M|R|P|F|T|B|S|rr..| Lifetime (16) | options
    """

    TYPE: ClassVar[MobilityHeaderType] = MobilityHeaderType.BINDING_UPDATE

    sequence: int
    lifetime_s: int
    """Seconds, a multiple of 4 up to 262140; 0 de-registers."""
    acknowledge: bool = True
    """A: MUST be set in a PBU (RFC 5213 6.9.1.5)."""
    home: bool = False
    link_local: bool = False
    key: bool = False
    map: bool = False
    router: bool = False
    proxy: bool = True
    """P: this is a proxy registration."""
    forced_udp: bool = False
    tlv: bool = False
    bulk: bool = False
    multicast: bool = False
    """S: with ActiveMulticastSubscription options this is the draft's PBU-M."""
    options: tuple[MobilityOption, ...] = ()

    @classmethod
    def options_offset(cls, dialect: Dialect) -> int:  # noqa: ARG003  (the same in both)
        return OPTIONS_OFFSET

    @classmethod
    def decode(cls, data: Cursor, options: tuple[MobilityOption, ...], dialect: Dialect) -> Self:  # noqa: ARG003
        sequence, flags, lifetime = data.u16("sequence"), data.u16("flags"), data.u16("lifetime")
        return cls(
            sequence=sequence,
            lifetime_s=lifetime * LIFETIME_UNIT_S,
            options=options,
            **{name: bool(flags & mask) for name, mask in _UPDATE_FLAGS.items()},
        )

    def encode_message_data(self) -> bytes:
        flags = sum(mask for name, mask in _UPDATE_FLAGS.items() if getattr(self, name))
        return unsigned(self.sequence, 2, "sequence") + flags.to_bytes(2, "big") + _lifetime_octets(self.lifetime_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyBindingAcknowledgement:
    """MH type 6.

    6        7               8                 10              12
    | Status |K|R|P|T|B|S|rr | Sequence # (16) | Lifetime (16) | options
    """

    TYPE: ClassVar[MobilityHeaderType] = MobilityHeaderType.BINDING_ACKNOWLEDGEMENT

    status: BindingStatus
    sequence: int
    """Of the PBU; with SEQUENCE_NUMBER_OUT_OF_WINDOW the last one accepted (RFC 6275 9.5.1)."""
    lifetime_s: int
    """Granted, seconds, a multiple of 4; without meaning when refused."""
    key: bool = False
    router: bool = False
    proxy: bool = True
    """P: copied from the PBU."""
    tlv: bool = False
    bulk: bool = False
    multicast: bool = False
    """S: the LMA understood the multicast state of the PBU."""
    options: tuple[MobilityOption, ...] = ()

    @property
    def accepted(self) -> bool:
        """Status values from 128 refuse (RFC 6275 6.1.8)."""
        return self.status < _REFUSAL

    @classmethod
    def options_offset(cls, dialect: Dialect) -> int:  # noqa: ARG003  (the same in both)
        return OPTIONS_OFFSET

    @classmethod
    def decode(cls, data: Cursor, options: tuple[MobilityOption, ...], dialect: Dialect) -> Self:  # noqa: ARG003
        status, flags = BindingStatus(data.u8("status")), data.u8("flags")
        sequence, lifetime = data.u16("sequence"), data.u16("lifetime")
        return cls(
            status=status,
            sequence=sequence,
            lifetime_s=lifetime * LIFETIME_UNIT_S,
            options=options,
            **{name: bool(flags & mask) for name, mask in _ACKNOWLEDGEMENT_FLAGS.items()},
        )

    def encode_message_data(self) -> bytes:
        flags = sum(mask for name, mask in _ACKNOWLEDGEMENT_FLAGS.items() if getattr(self, name))
        return (
            unsigned(self.status, 1, "status")
            + bytes((flags,))
            + unsigned(self.sequence, 2, "sequence")
            + _lifetime_octets(self.lifetime_s)
        )
