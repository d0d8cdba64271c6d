# SPDX-License-Identifier: Apache-2.0
"""MLD at the LMA: towards the multicast network a host, in the tunnels of its MAGs a router (RFC 6224 section 4.3).

Functions of (state, input); each that changes something returns a Reaction or what is to be sent.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from controller.commands import Command, RecordEvent
from controller.forwarding import lma_wants
from controller.multicast import Memberships
from controller.reaction import Reaction
from controller.state import LmaState
from southbound.codec.listener_packet import ListenerMessage


def by_mag(state: LmaState) -> dict[str, list[Memberships]]:
    """What each MAG is to be sent, by MAG id: this is what is forwarded, and what is asked for upstream."""
    joined = {mag.id: state.tunnels.memberships(mag.id, state.cache) for mag in state.domain.mags}
    return lma_wants(state.domain, state.cache, state.listeners, state.handovers, joined)


def followed(state: LmaState, now: float) -> list[Command]:
    """Bindings have changed, or listeners: another MAG may be to be asked."""
    return state.tunnels.follow(state.cache, now)


def heard(state: LmaState, message: ListenerMessage, tunnel: IPv6Address | None, now: float) -> Reaction:
    """An MLD message from the multicast network, or through the tunnel of this Proxy-CoA."""
    if tunnel is None:
        return Reaction(state.source_network.heard(message, now))
    mag = state.domain.mag_by_address(tunnel)
    if mag is None:
        return dropped(state, "source_is_no_mag")
    commands, changed = state.tunnels.heard(mag.id, message, state.cache, now)
    return Reaction(commands, {state.domain.lma.id} if changed else set())


def dropped(state: LmaState, reason: str) -> Reaction:
    """An MLD packet that says nothing to us."""
    state.count(f"listener_dropped.{reason}")
    return Reaction([RecordEvent(name="listener_packet_dropped", fields={"reason": reason})])


def due(state: LmaState, now: float) -> Reaction:
    """Queries, answers and expiries whose time has come."""
    commands, changed = state.tunnels.tick(now)
    return Reaction([*commands, *state.source_network.tick(now)], {state.domain.lma.id} if changed else set())


def next_deadline(state: LmaState) -> float | None:
    """When `due` has something to do next."""
    times = (state.tunnels.next_deadline(), state.source_network.next_deadline())
    return min((at for at in times if at is not None), default=None)
