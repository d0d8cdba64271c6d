# SPDX-License-Identifier: Apache-2.0
"""The table INGRESS for what goes down to MNs: by which tunnel or port it has come; what comes by none goes no further.

What MNs send has flows there, too: see `uplink`.
"""

from __future__ import annotations

from functools import lru_cache

from southbound.openflow.intents import (
    Correspondents,
    Ingress,
    LmaTunnel,
    MagTunnels,
    PeerTunnel,
    SourceNetwork,
    SwitchRole,
)
from southbound.openflow.paths import metadata_of, path_of
from southbound.openflow.pipeline import INGRESS, PRIORITY_INGRESS, PRIORITY_MISS, PRIORITY_OWN_PORT_MISS, REPLICATION
from southbound.openflow.rules import FlowRule, Match, OpenFlowInvariantError
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT

OWN_PORTS = {"lma": (LMA_MAG_PORT, LMA_SOURCE_PORT), "mag": (MAG_LMA_PORT, MAG_MAG_PORT, MAG_BUFFER_PORT)}
"""Ports that nobody else has any business with, by kind of switch."""

_RULES_REMEMBERED = 1 << 14
"""As in `replication`."""


@lru_cache
def ingress_misses(role: SwitchRole) -> tuple[FlowRule, ...]:
    """What drops all that no other rule of ours takes: everything, or on a shared switch what our own ports bring.

    Else the flows of others (NORMAL, say) would carry what comes out of our tunnels to everybody.
    """
    if not role.shared:
        return (FlowRule(table_id=INGRESS, priority=PRIORITY_MISS, match=Match()),)
    return tuple(
        FlowRule(table_id=INGRESS, priority=PRIORITY_OWN_PORT_MISS, match=Match(in_port=port))
        for port in OWN_PORTS[role.kind]
    )


def ingress_flows(ingresses: set[Ingress], role: SwitchRole) -> list[FlowRule]:
    """What lets in each of these, and writes down its path."""
    # What comes through the tunnels of all MAGs is let in MN by MN, by the uplink's flows;
    # what hosts send, by the router's.
    ingresses = {ingress for ingress in ingresses if not isinstance(ingress, MagTunnels | Correspondents)}
    paths = {path_of(ingress) for ingress in ingresses}
    matches = {_ingress_flow(ingress, role).match for ingress in ingresses}
    if len(paths) != len(ingresses) or len(matches) != len(ingresses):
        raise OpenFlowInvariantError(f"{role.name}: two ingresses share a path index or an address: {ingresses}")
    return [_ingress_flow(ingress, role) for ingress in ingresses]


@lru_cache(maxsize=_RULES_REMEMBERED)
def _ingress_flow(ingress: Ingress, role: SwitchRole) -> FlowRule:
    return FlowRule(
        table_id=INGRESS, priority=PRIORITY_INGRESS, match=_ingress_match(ingress, role),
        write_metadata=metadata_of(path_of(ingress)), goto_table=REPLICATION,
    )


def _ingress_match(ingress: Ingress, role: SwitchRole) -> Match:
    match role.kind, ingress:
        case "lma", SourceNetwork():
            return Match(in_port=LMA_SOURCE_PORT)
        case "mag", LmaTunnel():
            # The port has the LMA as its fixed remote address, so the address needs no match of its own.
            return Match(in_port=MAG_LMA_PORT, tunnel_key=role.lma_gre_key)
        case "mag", PeerTunnel(peer=peer, key=key):
            return Match(
                in_port=MAG_MAG_PORT, tunnel_key=role.mag_gre_key if key is None else key, tunnel_source=peer
            )
    raise OpenFlowInvariantError(f"{role.name}: a switch of kind {role.kind} has no ingress {ingress}")
