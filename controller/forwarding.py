# SPDX-License-Identifier: Apache-2.0
"""Bindings + listeners + handovers -> what each switch shall do. Pure functions; every rule comes from here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network

from controller.binding_cache import BindingCache
from controller.handover import Handover, HandoverTable
from controller.multicast import Listeners, Memberships
from controller.unicast_forwarding import NO_UNICAST, UnicastIntent, buffer_of, mag_unicast, prefixes_fed
from southbound.codec.addresses import IpAddress
from southbound.mld.membership import GroupMembership
from southbound.openflow.intents import (
    ForwardingIntent,
    Ingress,
    Intent,
    LmaTunnel,
    Output,
    PeerTunnel,
    Replication,
    SourceNetwork,
    ToAccess,
    ToHandoverBuffer,
    ToMag,
)
from southbound.path_mark import relay_path
from topology.model import LMA_LINK_LOCAL_ADDRESS, Domain, Mag


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One taker of some groups."""

    memberships: Memberships
    output: Output


def lma_wants(
    domain: Domain,
    cache: BindingCache,
    listeners: Listeners,
    handovers: HandoverTable,
    joined: Mapping[str, Memberships] | None = None,
) -> dict[str, list[Memberships]]:
    """What each MAG is to be sent by the LMA, by MAG id; `joined`: by MLD through its tunnel."""
    wants: dict[str, list[Memberships]] = {}
    for mag in domain.mags:
        wanted: list[Memberships] = [
            listener.memberships
            for listener in listeners.at(mag.id)
            # Else its MAG has to say by MLD what its MNs listen to.
            if domain.lma.multicast_signalling and (cache.is_bound(listener.mn_id, mag.id) or listener.retained)
        ]
        # The clone needs its feed although the MN is bound elsewhere by now (RFC 7411 section 4.2.2).
        wanted += [handover.cloning for handover in handovers.leaving(mag.id) if handover.cloning is not None]
        # Mode join: the stream is there before its MN.
        wanted += [handover.joining for handover in handovers.arriving(mag.id) if handover.joining is not None]
        wanted += [handover.fed for handover in handovers.arriving(mag.id)]
        if joined is not None and joined.get(mag.id):
            wanted.append(joined[mag.id])
        wants[mag.id] = wanted
    return wants


def lma_intent(
    domain: Domain, wants: Mapping[str, Iterable[Memberships]], own: UnicastIntent = NO_UNICAST,
    home_networks: frozenset[IPv6Network] = frozenset(),
) -> ForwardingIntent:
    """The LMA copies a stream into the tunnel of each MAG that needs it (RFC 6224 section 4.3: one copy a MAG).

    `own`: what it does besides with the MNs' unicast (controller.unicast_forwarding); `home_networks`: what no route leads
    to (controller.lma_routes).
    """
    demands = [
        Demand(memberships=memberships, output=ToMag(mag.address))
        for mag in domain.mags
        for memberships in wants.get(mag.id, ())
    ]
    return ForwardingIntent(
        replications=_replications(SourceNetwork(), demands), unicast=own.unicast, uplinks=own.uplinks, takes_mld=True,
        home_networks=home_networks, reports_unforwarded=True, router_address=domain.lma.address,
        router=LMA_LINK_LOCAL_ADDRESS if domain.sources else None,
    )


def note_fed(intent: Intent | None, domain: Domain, cache: BindingCache, handovers: Iterable[Handover]) -> None:
    """Remember for MNs that are expected what the LMA sends to their n-MAG by this intent: it goes on for them.

    Whoever else it was sent for may leave, and the buffer that has begun with it waits for its next packet.
    """
    if not isinstance(intent, ForwardingIntent):
        return
    for handover in handovers:
        new = domain.mag(handover.new_mag)
        if handover.receiving is None or new is None:
            continue
        groups = {replication.group for replication in intent.replications if ToMag(new.address) in replication.outputs}
        handover.fed = tuple(membership for membership in handover.receiving if membership.group in groups)
        handover.prefixes_fed = prefixes_fed(intent, new.address, cache, domain, handover.mn_id)


def mag_intent(
    mag: Mag, domain: Domain, cache: BindingCache, listeners: Listeners, handovers: HandoverTable
) -> ForwardingIntent:
    """A MAG copies the native stream to its listeners, buffer and clones, and tunnelled streams to its buffer."""
    native: list[Demand] = []
    tunnelled: dict[PeerTunnel, list[Demand]] = defaultdict(list)
    ingress_of: dict[str, PeerTunnel] = {}
    buffered = _buffered_natively(mag.id, handovers)
    # Mode join: the stream is here, so it is delivered from the attachment on, whatever the PBU still takes.
    ahead = {handover.mn_id for handover in handovers.arriving(mag.id) if handover.joining is not None}
    for handover in handovers.arriving(mag.id):
        if handover.receiving is None:
            continue
        previous = domain.mag(handover.previous_mag)
        if previous is not None:
            ingress = ingress_of[handover.handover_id] = _ingress(handover, previous, domain)
            tunnelled[ingress].append(Demand(memberships=handover.receiving, output=ToHandoverBuffer()))
        if handover.mn_id in buffered:
            memberships = _current(listeners, mag.id, handover)
            native.append(Demand(memberships=memberships, output=buffer_of(domain, handover.mn_id)))
    direct: set[str] = set()
    for listener in listeners.at(mag.id):
        if listener.retained:
            native.append(Demand(memberships=listener.memberships, output=buffer_of(domain, listener.mn_id)))
        bound = cache.is_bound(listener.mn_id, mag.id) or listener.mn_id in ahead
        if listener.access_port is not None and bound and listener.mn_id not in buffered:
            direct.add(listener.mn_id)
            native.append(Demand(memberships=listener.memberships, output=ToAccess(listener.access_port)))
    for handover in handovers.leaving(mag.id):
        new = domain.mag(handover.new_mag)
        if handover.cloning is None or new is None:
            continue
        if not handover.relayed:
            native.append(Demand(memberships=handover.cloning, output=ToMag(new.address)))
        elif handover.mn_id not in direct:
            # What is relayed goes through the agent's buffer, in order with what it still holds. An MN that is back has
            # no use for it, and shall not get by the buffer what it gets by the switch.
            native.append(Demand(memberships=handover.cloning, output=buffer_of(domain, handover.mn_id)))
    replications = _replications(LmaTunnel(domain.lma.address), native)
    for tunnel, demands in tunnelled.items():
        replications |= _replications(tunnel, demands)
    own = mag_unicast(
        mag, domain, cache, listeners, handovers, buffered=buffered, ahead=ahead, tunnel=ingress_of
    )
    return ForwardingIntent(
        replications=replications, unicast=own.unicast, uplinks=own.uplinks, takes_mld=True, reports_unforwarded=True,
        router_address=mag.address,
    )


def _ingress(handover: Handover, previous: Mag, domain: Domain) -> PeerTunnel:
    """What a switch clones comes once for all MNs; what an agent relays, for each MN by itself."""
    if not handover.relayed:
        return PeerTunnel(previous.address, previous.index)
    path = relay_path(previous.index, domain.place_of(handover.mn_id))
    return PeerTunnel(previous.address, path, domain.relay_key(handover.mn_id))


def _buffered_natively(mag_id: str, handovers: HandoverTable) -> frozenset[str]:
    """MN-IDs whose native stream goes to the buffer: those that have not joined it.

    Also of an MN that is not bound here yet: what is fed here for another one is its stream, too, and the buffer needs
    it without gaps from the first packet on.
    """
    arriving = handovers.arriving(mag_id)
    return frozenset(one.mn_id for one in arriving if one.receiving is not None and not one.direct)


def _current(listeners: Listeners, mag_id: str, handover: Handover) -> Memberships:
    """The MN's own word at the n-MAG replaces the transferred context once it is there."""
    listener = listeners.get(mag_id, handover.mn_id)
    if listener is not None and listener.access_port is not None and listener.memberships:
        return listener.memberships
    return handover.receiving or ()


def _replications(ingress: Ingress, demands: Iterable[Demand]) -> frozenset[Replication]:
    """Per group: an entry for 'any source', and one for each listed source whose takers differ from those of any."""
    by_group: dict[IpAddress, list[tuple[GroupMembership, Output]]] = defaultdict(list)
    for demand in demands:
        for membership in demand.memberships:
            by_group[membership.group].append((membership, demand.output))
    entries: set[Replication] = set()
    for group, takers in by_group.items():
        any_source = frozenset(output for membership, output in takers if membership.wants(None))
        if any_source:
            entries.add(Replication(ingress=ingress, source=None, group=group, outputs=any_source))
        for source in {source for membership, _ in takers for source in membership.sources}:
            outputs = frozenset(output for membership, output in takers if membership.wants(source))
            if outputs != any_source:
                entries.add(Replication(ingress=ingress, source=source, group=group, outputs=outputs))
    return frozenset(entries)
