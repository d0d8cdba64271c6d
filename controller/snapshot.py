# SPDX-License-Identifier: Apache-2.0
"""An immutable picture of the LMA: what REST shows and tests compare. Plain data, ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.handover import Handover, Step
from controller.ladder import arrow
from controller.state import LmaState
from southbound.mld.membership import GroupMembership


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Lists of JSON-ready maps; docs/reference/rest.md names their fields."""

    handovers: tuple[dict[str, Any], ...]
    bindings: tuple[dict[str, Any], ...]
    mags: tuple[dict[str, Any], ...]
    listeners: tuple[dict[str, Any], ...]
    switches: tuple[dict[str, Any], ...]
    counters: dict[str, int]


def take_snapshot(state: LmaState) -> Snapshot:
    """The picture of this moment."""
    return Snapshot(
        handovers=tuple(_kept_view(handover, state.domain.lma.id) for handover in state.handovers),
        bindings=tuple(
            {
                "mn_id": entry.mn_id,
                "mag": entry.mag_id,
                "proxy_care_of_address": str(entry.proxy_care_of_address),
                "home_network_prefixes": [str(prefix) for prefix in entry.home_network_prefixes],
                "state": entry.state.value,
                "lifetime_s": entry.lifetime_s,
                "sequence": entry.sequence,
                "link_layer_id": entry.link_layer_id.hex(":") if entry.link_layer_id else None,
            }
            # That of the interface which the policy store knows comes first of an MN's.
            for entry in sorted(state.cache, key=lambda entry: not entry.own_interface)
        ),
        mags=tuple(
            {
                "id": mag.id,
                "address": str(mag.address),
                "dialect": state.domain.dialect_towards(mag),
                "agent_connected": mag.id in state.agents,
                "switch_connected": state.switches.is_connected(mag.id),
                "mobile_nodes": sorted(
                    listener.mn_id for listener in state.listeners.at(mag.id) if listener.access_port is not None
                ),
                "counters": dict(state.agent_counters.get(mag.id, {})),
                "messages": dict(state.agent_messages.get(mag.id, {})),
                "tunnel_groups": [
                    membership_view(membership) for membership in state.tunnels.memberships(mag.id, state.cache)
                ],
            }
            for mag in state.domain.mags
        ),
        listeners=tuple(
            {
                "mag": listener.mag_id,
                "mn_id": listener.mn_id,
                "access_port": listener.access_port,
                "groups": [membership_view(membership) for membership in listener.memberships],
            }
            for listener in state.listeners
        ),
        switches=tuple(_switch_view(state, name) for name in state.switches.names()),
        counters=dict(state.counters),
    )


def _kept_view(handover: Handover, lma_id: str) -> dict[str, Any]:
    """The view of an ended handover is made once: there may be a thousand of them, and a GET must not cost 8 ms."""
    if not handover.ended:
        return handover_view(handover, lma_id)
    # The word of the slower MAG may still come in after the end.
    version = (len(handover.steps), len(handover.counters), handover.error)
    if handover.view is None or handover.view[0] != version:
        handover.view = (version, handover_view(handover, lma_id))
    return handover.view[1]


def handover_view(handover: Handover, lma_id: str) -> dict[str, Any]:
    """One handover as REST shows it; times are seconds since 1970."""
    steps = sorted(handover.steps, key=lambda step: step.at)
    first = steps[0].at if steps else None
    return {
        "id": handover.handover_id,
        "number": handover.number,
        "mn_id": handover.mn_id,
        "previous_mag": handover.previous_mag,
        "new_mag": handover.new_mag,
        "state": handover.state.value,
        "mode": handover.mode,
        "trigger": handover.trigger,
        "started_at": first if handover.requested_at is None else handover.requested_at,
        "groups": [membership_view(membership) for membership in handover.groups],
        "steps": [_step_view(step, handover, lma_id) for step in steps],
        "packets": handover.counters,
        "packets_over_time": [
            {"path": path, "begins_at": counts.begins_at, "interval_s": counts.interval_s, "packets": counts.packets}
            for path, counts in sorted(handover.packet_counts.items())
        ],
        "error": handover.error or None,
    }


def _step_view(step: Step, handover: Handover, lma_id: str) -> dict[str, Any]:
    sender, receiver = arrow(step, handover, lma_id)
    return {
        "step": step.step, "name": step.name, "node": step.node, "at": step.at, "detail": step.detail, "sender": sender,
        "receiver": receiver,
    }


def membership_view(membership: GroupMembership) -> dict[str, Any]:
    """One group of a listener."""
    return {
        "group": str(membership.group),
        "filter_mode": membership.filter_mode.value,
        "sources": sorted(str(source) for source in membership.sources),
    }


def _switch_view(state: LmaState, name: str) -> dict[str, Any]:
    connected, wanted, confirmed, error = state.switches.state(name)
    return {
        "name": name,
        "connected": connected,
        "wanted_generation": wanted,
        "confirmed_generation": confirmed,
        "error": error or None,
    }
