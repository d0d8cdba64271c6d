# SPDX-License-Identifier: Apache-2.0
"""Which mobility session a PBU is about: RFC 5213 section 5.4.1, for MNs with several interfaces. Pure.

Three cases, by what the PBU names: a home network prefix (5.4.1.1), else a link-layer identifier (5.4.1.2), else only the
MN (5.4.1.3). In the last two a handover that may be one or not waits for the former MAG's de-registration.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, IPv6Network

from controller.binding_cache import BindingCache, BindingCacheEntry
from controller.refusal import Refusal
from southbound.codec.iana import BindingStatus, HandoffIndicator


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """What of a PBU counts for the lookup."""

    mn_id: str
    prefixes: tuple[IPv6Network, ...]
    """Those that are not all zero, as often as they were named."""
    asked: tuple[IPv6Network, ...] = ()
    """Of a new session; empty: the LMA chooses."""
    link_layer_id: bytes | None
    """None also for an all-zero identifier, which is none."""
    technology: int
    handoff: HandoffIndicator
    proxy_care_of_address: IPv6Address


class Found(Enum):
    """What the PBU asks for."""

    UPDATE = "update"
    CREATE = "create"
    WAIT = "wait"
    """A new session or a handover of the only one: the former MAG's de-registration tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """The session that the PBU is about; None when it is to be created."""

    found: Found
    session: BindingCacheEntry | None = None


CREATE = Lookup(found=Found.CREATE)


def find_session(request: SessionRequest, cache: BindingCache) -> Lookup:
    """Raises Refusal: 155 for a prefix of another MN, 159 for not exactly the prefixes of a session."""
    if request.prefixes:
        return _by_prefix(request, cache)
    sessions = cache.sessions(request.mn_id)
    if request.link_layer_id is not None:
        for session in sessions:
            if _same_interface(request, session):
                return Lookup(found=Found.UPDATE, session=session)
    if len(sessions) != 1:
        return CREATE
    (only,) = sessions
    if request.handoff in _moves(request):
        return Lookup(found=Found.UPDATE, session=only)
    if request.handoff == HandoffIndicator.UNKNOWN:
        # De-registered by now: it was a handover.
        return Lookup(found=Found.WAIT if only.active else Found.UPDATE, session=only)
    return CREATE


def _moves(request: SessionRequest) -> tuple[HandoffIndicator, ...]:
    """Handoff Indicators that say of the MN's only session that it has moved here."""
    if request.link_layer_id is not None:
        # Not 3: the interface is named, and it is another one.
        return (HandoffIndicator.BETWEEN_INTERFACES,)
    return HandoffIndicator.BETWEEN_INTERFACES, HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE


def _by_prefix(request: SessionRequest, cache: BindingCache) -> Lookup:
    found = [session for prefix in request.prefixes if (session := cache.by_prefix(prefix)) is not None]
    if not found:
        return CREATE
    for session in found:
        if session.mn_id != request.mn_id:
            raise Refusal(
                BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX, f"a prefix of another session than {request.mn_id}'s"
            )
    session = found[0]
    if sorted(request.prefixes) != sorted(session.home_network_prefixes):
        raise Refusal(BindingStatus.BCE_PBU_PREFIX_SET_DO_NOT_MATCH, "not the prefixes of the present binding")
    same_technology = session.access_technology_type == request.technology
    unnamed = request.link_layer_id is None and session.link_layer_id is None
    if (
        _same_interface(request, session)
        or request.handoff == HandoffIndicator.BETWEEN_INTERFACES
        or (unnamed and same_technology and request.handoff == HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE)
        or (session.proxy_care_of_address == request.proxy_care_of_address and same_technology)
    ):
        return Lookup(found=Found.UPDATE, session=session)
    return CREATE


def _same_interface(request: SessionRequest, session: BindingCacheEntry) -> bool:
    named = request.link_layer_id is not None and request.link_layer_id == session.link_layer_id
    return named and request.technology == session.access_technology_type
