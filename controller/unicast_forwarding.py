# SPDX-License-Identifier: Apache-2.0
"""Bindings + handovers -> where each switch sends what is for an MN's home network, and what it takes from the MN. Pure.

The downlink of a home network prefix is one more stream: it is cloned, buffered and joined as a group is. Its ways are
those of `controller.forwarding`; a prefix has one MN, so nothing is shared. The uplink has one way at a time: from where
the MN is bound to the LMA, and until it is bound at the n-MAG back through the p-MAG (RFC 5949 section 4.1). What follows
then may have to wait for that: it goes by the n-MAG's buffer port until its switch delivers alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from controller.binding_cache import BindingCache, BindingCacheEntry
from controller.handover import Handover, HandoverTable
from controller.multicast import Listeners
from southbound.openflow.intents import (
    AccessLink,
    Correspondents,
    ForwardingIntent,
    FromHandoverBuffer,
    FromMag,
    FromPeer,
    Ingress,
    Intent,
    LmaTunnel,
    MagTunnels,
    Output,
    PeerTunnel,
    ToAccess,
    ToDestination,
    ToHandoverBuffer,
    ToLma,
    ToMag,
    ToPeer,
    ToSourceNetwork,
    Unicast,
    Uplink,
)
from topology.model import Domain, Mag, MobileNode

Prefixes = tuple[IPv6Network, ...]
UplinkWay = ToLma | ToPeer | ToHandoverBuffer
HOST_BITS = 128


@dataclass(frozen=True, slots=True)
class UnicastIntent:
    """The unicast part of a ForwardingIntent."""

    unicast: frozenset[Unicast]
    uplinks: frozenset[Uplink]


NO_UNICAST = UnicastIntent(frozenset(), frozenset())


class _Sessions:
    """The binding cache by MN, read once: an intent asks for every MN."""

    def __init__(self, domain: Domain, cache: BindingCache) -> None:
        self._profiles = {node.id: node for node in domain.mobile_nodes}
        self._by_mn: dict[str, list[BindingCacheEntry]] = defaultdict(list)
        for entry in cache:
            self._by_mn[entry.mn_id].append(entry)
        self._cache = cache

    def all(self) -> Iterable[tuple[MobileNode, BindingCacheEntry]]:
        for mn_id, entries in self._by_mn.items():
            for entry in entries:
                if mn_id in self._profiles:
                    yield self._profiles[mn_id], entry

    def profile(self, mn_id: str) -> MobileNode | None:
        return self._profiles.get(mn_id)

    def is_moving(self, entry: BindingCacheEntry) -> bool:
        """Whether this is the session of the interface that handovers move."""
        return len(self._by_mn[entry.mn_id]) == 1 or self._cache.of_own_interface(entry.mn_id) == entry

    def moving(self, mn_id: str) -> Prefixes:
        """The prefixes that a handover of this MN moves; of one without a session those that it has for good."""
        entry = self._cache.of_own_interface(mn_id) if mn_id in self._by_mn else None
        if entry is not None:
            return entry.home_network_prefixes
        profile = self._profiles.get(mn_id)
        return profile.home_network_prefixes if profile is not None else ()

    def at(self, mn_id: str, mag_id: str) -> Prefixes:
        """The prefixes with which this MN is bound at this MAG."""
        return tuple(
            prefix for entry in self._by_mn.get(mn_id, ()) if entry.active and entry.mag_id == mag_id
            for prefix in entry.home_network_prefixes
        )


def buffer_of(domain: Domain, mn_id: str) -> ToHandoverBuffer:
    """Where the native copy for this MN goes that its agent delivers, keeps or relays.

    One for each MN: who is served by the switch itself changes for each alone, and a packet tells for whom it is.
    """
    return ToHandoverBuffer(domain.place_of(mn_id) + 1)


def prefixes_fed(intent: Intent | None, mag: IPv6Address, cache: BindingCache, domain: Domain, mn_id: str) -> Prefixes:
    """Those prefixes of the MN that the LMA, by this intent, sends to this MAG."""
    if not isinstance(intent, ForwardingIntent):
        return ()
    fed = {unicast.prefix for unicast in intent.unicast if ToMag(mag) in unicast.outputs}
    return tuple(prefix for prefix in _Sessions(domain, cache).moving(mn_id) if prefix in fed)


def lma_unicast(
    domain: Domain, cache: BindingCache, listeners: Listeners, handovers: HandoverTable,
    neighbours: Mapping[IPv6Address, bytes],
) -> UnicastIntent:
    """Into the tunnel of the MAG where a prefix is bound, and of those that need it for a handover; from MNs to each other
    and to the neighbours."""
    sessions = _Sessions(domain, cache)
    under_way: dict[str, list[Handover]] = defaultdict(list)
    for handover in handovers.open():
        under_way[handover.mn_id].append(handover)
    retained = {listener.mn_id: listener.mag_id for listener in listeners if listener.retained}
    unicast: set[Unicast] = set()
    uplinks: set[Uplink] = set()
    for profile, entry in sessions.all():
        wanted, sending = ({entry.mag_id}, {entry.mag_id}) if entry.active else (set[str](), set[str]())
        if sessions.is_moving(entry):
            wanted |= {mag_id for mn_id, mag_id in retained.items() if mn_id == profile.id}
            for handover in under_way[profile.id]:
                wanted |= _wanted_for(handover, entry.home_network_prefixes)
                sending |= {handover.previous_mag, handover.new_mag} if _is_prepared(handover) else set()
        outputs = frozenset(ToMag(mag.address) for mag_id in wanted if (mag := domain.mag(mag_id)) is not None)
        from_mags = [FromMag(mag.address) for mag_id in sending if (mag := domain.mag(mag_id)) is not None]
        for prefix in entry.home_network_prefixes:
            uplinks |= {Uplink(ingress=ingress, prefix=prefix, output=ToDestination()) for ingress in from_mags}
            if outputs:
                unicast |= {
                    Unicast(ingress=ingress, prefix=prefix, link_layer_id=profile.link_layer_id, outputs=outputs)
                    for ingress in (Correspondents(), MagTunnels())
                }
    # What a MAG answers as a router (RFC 4443) comes from itself.
    uplinks |= {
        Uplink(ingress=FromMag(mag.address), prefix=IPv6Network((mag.address, HOST_BITS)), output=ToDestination())
        for mag in domain.mags
    }
    for address, link_layer_id in neighbours.items():
        if address.is_link_local:  # a next hop; nothing is forwarded to it
            continue
        unicast.add(Unicast(
            ingress=MagTunnels(), prefix=IPv6Network((address, HOST_BITS)), link_layer_id=link_layer_id,
            outputs=frozenset({ToSourceNetwork()}),
        ))
    unicast |= {
        Unicast(
            ingress=MagTunnels(), prefix=route.prefix, link_layer_id=neighbours[route.via],
            outputs=frozenset({ToSourceNetwork()}),
        )
        for route in domain.lma.routes if route.via in neighbours
    }
    return UnicastIntent(frozenset(unicast), frozenset(uplinks))


def _wanted_for(handover: Handover, prefixes: Prefixes) -> set[str]:
    """The MAGs that need the prefixes for this handover, as they need its groups (controller.forwarding)."""
    wanted = set()
    if handover.cloning is not None:
        wanted.add(handover.previous_mag)
    if handover.joining is not None or set(handover.prefixes_fed) & set(prefixes):
        wanted.add(handover.new_mag)
    return wanted


def _is_prepared(handover: Handover) -> bool:
    """Whether either MAG may by now send for the MN, itself or on behalf of the other."""
    return any(held is not None for held in (handover.receiving, handover.joining, handover.cloning))


def mag_unicast(
    mag: Mag, domain: Domain, cache: BindingCache, listeners: Listeners, handovers: HandoverTable, *,
    buffered: frozenset[str], ahead: set[str], tunnel: Mapping[str, PeerTunnel],
) -> UnicastIntent:
    """`buffered`: MN-IDs whose native stream goes to the buffer; `ahead`: those served before they are bound; `tunnel`: by
    handover id, where its tunnelled packets come in."""
    sessions = _Sessions(domain, cache)
    outputs: dict[tuple[Ingress, str, Prefixes], set[Output]] = defaultdict(set)
    native = LmaTunnel(domain.lma.address)
    uplinks: dict[tuple[AccessLink | FromPeer | FromHandoverBuffer, IPv6Network], UplinkWay] = {}
    waiting: set[str] = set()
    expected = [one for one in handovers.arriving(mag.id) if one.receiving is not None]
    arriving = {one.mn_id: one for one in expected}
    for handover in expected:
        # Of an MN that has gone on and comes back there are two: by the first its next MAG is still fed.
        mn_id, prefixes = handover.mn_id, sessions.moving(handover.mn_id)
        if handover.handover_id in tunnel:
            outputs[tunnel[handover.handover_id], mn_id, prefixes].add(ToHandoverBuffer())
        if mn_id in buffered:
            outputs[native, mn_id, prefixes].add(buffer_of(domain, mn_id))
    for mn_id, handover in arriving.items():
        if handover.uplink_waits:
            uplinks |= {(FromHandoverBuffer(), prefix): ToLma() for prefix in sessions.moving(mn_id)}
            waiting |= set() if handover.direct else {mn_id}
    # The way for what an MN sends is there before the MN, which shall not have to wait for it.
    for mn_id in arriving.keys() | ahead:
        profile, way = sessions.profile(mn_id), ToLma() if mn_id in ahead else _back(arriving.get(mn_id), domain)
        if profile is not None and way is not None:
            link = AccessLink(profile.access_port(), profile.link_layer_id)
            uplinks |= {(link, prefix): way for prefix in sessions.moving(mn_id)}
    direct: set[str] = set()
    for listener in listeners.at(mag.id):
        mn_id, profile = listener.mn_id, sessions.profile(listener.mn_id)
        moving = sessions.moving(mn_id)
        if listener.retained:
            outputs[native, mn_id, moving].add(buffer_of(domain, mn_id))
        if listener.access_port is None or profile is None:
            continue
        served = sessions.at(mn_id, mag.id) or (moving if mn_id in ahead else ())
        if served and mn_id not in buffered:
            direct.add(mn_id)
            outputs[native, mn_id, served].add(ToAccess(listener.access_port))
        link = AccessLink(listener.access_port, profile.link_layer_id)
        uplinks |= {(link, prefix): ToHandoverBuffer() if mn_id in waiting else ToLma() for prefix in served}
    for handover in handovers.leaving(mag.id):
        new, mn_id = domain.mag(handover.new_mag), handover.mn_id
        if handover.cloning is None or new is None or sessions.profile(mn_id) is None:
            continue
        moving = sessions.moving(mn_id)
        if not handover.relayed:
            outputs[native, mn_id, moving].add(ToMag(new.address))
        elif mn_id not in direct:
            outputs[native, mn_id, moving].add(buffer_of(domain, mn_id))
        peer = FromPeer(new.address, domain.relay_key(mn_id))
        back = None if sessions.at(mn_id, mag.id) else _back(arriving.get(mn_id), domain)
        uplinks |= {(peer, prefix): back or ToLma() for prefix in moving}
    return UnicastIntent(
        frozenset(_merged(outputs, sessions)),
        frozenset(
            Uplink(ingress=ingress, prefix=prefix, output=output) for (ingress, prefix), output in uplinks.items()
        ),
    )


def _back(arriving: Handover | None, domain: Domain) -> ToPeer | None:
    """The way by the MAG that the MN has come from."""
    previous = domain.mag(arriving.previous_mag) if arriving is not None else None
    return None if arriving is None or previous is None else ToPeer(previous.address, domain.relay_key(arriving.mn_id))


def _merged(
    outputs: Mapping[tuple[Ingress, str, Prefixes], set[Output]], sessions: _Sessions
) -> Iterable[Unicast]:
    by_prefix: dict[tuple[Ingress, IPv6Network], tuple[bytes, set[Output]]] = {}
    for (ingress, mn_id, prefixes), wanted in outputs.items():
        profile = sessions.profile(mn_id)
        if profile is None:
            continue
        for prefix in prefixes:
            by_prefix.setdefault((ingress, prefix), (profile.link_layer_id, set()))[1].update(wanted)
    for (ingress, prefix), (link_layer_id, wanted) in by_prefix.items():
        yield Unicast(ingress=ingress, prefix=prefix, link_layer_id=link_layer_id, outputs=frozenset(wanted))
