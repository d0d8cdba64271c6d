# SPDX-License-Identifier: Apache-2.0
"""What the Binding Update List keeps of one MN (RFC 5213 section 6.1), and what it tells of its binding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Network

from southbound.agent.binding_answer import Asked
from southbound.codec.iana import HandoffIndicator
from southbound.mld.membership import GroupMembership
from topology.model import MobileNode


class BindingState(Enum):
    """Of one entry."""

    REGISTERING = "registering"
    BOUND = "bound"
    SUSPENDED = "suspended"
    """The MN has left while its groups are being forwarded; the de-registration follows the end of that."""
    DEREGISTERING = "deregistering"
    REFUSED = "refused"
    """The LMA said no, and the MN has no service."""


class Service(Enum):
    """What the MN has from now on."""

    GRANTED = "granted"
    INTERRUPTED = "interrupted"
    """There is no binding now; there may be one soon."""
    DENIED = "denied"


@dataclass(slots=True, kw_only=True)
class BindingEntry:
    """One mobility session of this MAG."""

    profile: MobileNode
    state: BindingState
    indicator: HandoffIndicator
    memberships: tuple[GroupMembership, ...]
    asked: Asked | None = None
    """The PBU that was sent last."""
    sequence: int = 0
    awaiting: bool = False
    """That PBU has had no answer that counts."""
    retransmit_at: float | None = None
    """The next PBU, unless an answer comes first; None: none."""
    timeout_s: float
    again_s: float = 0.0
    """How long a PBU waits that shall be sent again at once."""
    refresh_at: float | None = None
    expires_at: float | None = None
    """End of the granted lifetime."""
    multicast: bool = True
    """The last PBA had the S flag: the LMA has the multicast state from us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingResult:
    """What has become of a binding."""

    mn_id: str
    service: Service
    status: int = 0
    multicast: bool = False
    """The LMA took the multicast state; otherwise a MAG falls back to MLD through the tunnel (RFC 6224)."""
    prefixes: tuple[IPv6Network, ...] = ()
    """GRANTED: those that the LMA has assigned."""
