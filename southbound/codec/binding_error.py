# SPDX-License-Identifier: Apache-2.0
"""BindingError (RFC 6275 section 6.1.9): the answer to a Mobility Header of a type that nobody here knows."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import ClassVar, Self

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.handover import Dialect
from southbound.codec.iana import BindingErrorStatus, MobilityHeaderType
from southbound.codec.options import MobilityOption

OPTIONS_OFFSET = 24
UNSPECIFIED = IPv6Address("::")


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingError:
    """MH type 7.

    6        7          8                        24
    | Status | Reserved | Home Address (16 octets) | options
    """

    TYPE: ClassVar[MobilityHeaderType] = MobilityHeaderType.BINDING_ERROR

    status: BindingErrorStatus
    home_address: IPv6Address = UNSPECIFIED
    """Of a Home Address destination option; unspecified without one, as always in PMIPv6."""
    options: tuple[MobilityOption, ...] = ()
    """None are defined."""

    @classmethod
    def options_offset(cls, dialect: Dialect) -> int:  # noqa: ARG003  (the same in both)
        return OPTIONS_OFFSET

    @classmethod
    def decode(cls, data: Cursor, options: tuple[MobilityOption, ...], dialect: Dialect) -> Self:  # noqa: ARG003
        status = BindingErrorStatus(data.u8("status"))
        data.u8("reserved")
        return cls(status=status, home_address=data.ipv6("home_address"), options=options)

    def encode_message_data(self) -> bytes:
        return unsigned(self.status, 1, "status") + b"\0" + self.home_address.packed


class BindingErrorRate:
    """Binding Errors are limited like ICMPv6 errors (RFC 6275 section 9.3.3): to each peer one in a second."""

    def __init__(self) -> None:
        self._told: dict[IPv6Address, float] = {}
        """No more than there are peers."""

    def may_tell(self, peer: IPv6Address, now: float) -> bool:
        """Whether one may go to this known peer now; it counts as sent."""
        if now < self._told.get(peer, now - 1.0) + 1.0:
            return False
        self._told[peer] = now
        return True
