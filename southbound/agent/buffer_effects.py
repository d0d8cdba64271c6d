# SPDX-License-Identifier: Apache-2.0
"""What the handover buffer wants done or known: the outputs of `HandoverBuffer`, in the order in which they count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send this IPv6 packet to the MN. Positional and first in the fields: there is one per packet."""

    mn_id: str
    packet: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTunnelPacket:
    """The first packet wanted by this MN has come from the p-MAG (step 5)."""

    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstNativePacket:
    """The first packet wanted by this MN has come from the LMA (step 10)."""

    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStarted:
    """Delivery to the MN begins (step 7); so many packets were waiting."""

    mn_id: str
    buffered_packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Every stream of the MN runs natively and nothing is held: the switch can deliver alone. Once per life."""

    mn_id: str


Effect = Deliver | FirstTunnelPacket | FirstNativePacket | DeliveryStarted | Joined
