# SPDX-License-Identifier: Apache-2.0
"""How much a Mobility Header has room for: what two nodes say to each other fits the smallest IPv6 path. Pure."""

from __future__ import annotations

from ipaddress import IPv6Network

from southbound.codec.options import WORDS, records_octets_max
from southbound.mld.context_options import StateRoom

OCTETS_MAX = 1152
"""Of one Mobility Header with its authenticator: 1280 octets (RFC 8200 section 5) less the IPv6 header and ESP."""
_STATE_FIXED_OCTETS = 84
"""The most that a message with multicast state has beside its records, MN-ID, prefixes and handover id."""
_PREFIX_OCTETS = 24
"""Of one HomeNetworkPrefix with its alignment of 8n+4."""
_WORD_FIXED_OCTETS = 32
"""The most that a word on the last packets has beside its streams, MN-ID and handover id."""
_WORD_OCTETS_MAX = 1024


def state_room(
    mn_id: str, prefixes: tuple[IPv6Network, ...] = (), handover_id: str = "", *, authenticator_octets: int,
    option_length_unit: str,
) -> StateRoom:
    """Octets of multicast address records for a message that has all of this, too, to a peer that counts so."""
    names = len(mn_id.encode()) + len(handover_id.encode())
    taken = _STATE_FIXED_OCTETS + names + _PREFIX_OCTETS * len(prefixes) + authenticator_octets
    message = min(records_octets_max(WORDS), OCTETS_MAX - taken)
    return StateRoom(option=min(records_octets_max(option_length_unit), message), message=message)


def word_room(mn_id: str, handover_id: str, *, authenticator_octets: int) -> int:
    """Octets of LastDelivered options for a word on the last packets."""
    names = len(mn_id.encode()) + len(handover_id.encode())
    return min(_WORD_OCTETS_MAX, OCTETS_MAX - _WORD_FIXED_OCTETS - names - authenticator_octets)
