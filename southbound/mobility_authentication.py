# SPDX-License-Identifier: Apache-2.0
"""Who may speak Mobility Header messages to one node, and with which keys. Pure: keys come in, octets go both ways.

What RFC 5213 section 4 and RFC 5949 section 7 require is IPsec; this is a stand-in for hosts that have none, off unless
topology.yaml names a file of keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address

from southbound.codec.authenticator import OPTION_OCTETS, append_authenticator, take_authenticator

Keys = tuple[bytes, ...]
"""Of one pair of peers: the first one signs, all are accepted."""
KEYS_MAX = 2
"""Of one pair: the one in use and, while keys are being replaced, the other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MobilityAuthentication:
    """Of one node. Whoever has no keys here and is not in `without` is not believed."""

    own: IPv6Address
    keys: Mapping[IPv6Address, Keys] = field(repr=False)
    """By the peer's address."""
    without: frozenset[IPv6Address] = frozenset()
    """Peers whose messages neither carry nor need an authenticator."""

    def octets(self, peer: IPv6Address) -> int:
        """By how much every message to this peer grows."""
        return OPTION_OCTETS if self.keys.get(peer) else 0

    def sign(self, header: bytes, destination: IPv6Address) -> bytes:
        """The message as it is sent. To a peer without keys it goes as it is. Raises EncodeError when it gets too long."""
        keys = self.keys.get(destination)
        return append_authenticator(header, self.own, destination, keys[0]) if keys else header

    def open(self, header: bytes, source: IPv6Address) -> bytes:
        """The message as its sender had it before it signed. Raises DecodeError: those of `take_authenticator`."""
        if source in self.without:
            return header
        return take_authenticator(header, source, self.own, self.keys.get(source, ()))
