# SPDX-License-Identifier: Apache-2.0
"""Judge a Proxy Binding Update: the checks of RFC 5213 section 5.3.1 in their order, then what it asks for (5.3.2-5.3.5).

A pure function of the update, the cache and the policy store. Nothing is changed here: the verdict says what to store.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address

from controller.binding_acknowledgement import ALL_ZERO_ADDRESS, acceptance, gre_answer, link_local_address, refusal
from controller.binding_cache import BindingCache, BindingCacheEntry, BindingState
from controller.message_order import check_sequence, check_timestamp, is_repeat
from controller.prefix_assignment import assign, needs_pool
from controller.refusal import Refusal
from controller.session_lookup import CREATE, Found, Lookup, SessionRequest, find_session
from southbound.codec.accessors import find_option, find_options, multicast_records
from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.iana import AccessTechnologyType, BindingStatus, HandoffIndicator
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    AlternateCareOfAddress,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Timestamp,
)
from southbound.mld.context import memberships_from_records
from southbound.mld.membership import GroupMembership
from topology.model import Domain, Mag, MobileNode
from topology.policy_store import PolicyStore


class Turn(Enum):
    """How often a PBU has been looked at."""

    FIRST = "first"
    AGAIN = "again"
    """It was held, and what it waits for may have happened. That it was new when it came is settled."""
    LAST = "last"
    """It has been held for as long as it may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do with one PBU."""

    status: BindingStatus
    acknowledgement: ProxyBindingAcknowledgement | None
    """None: say nothing (RFC 5213 sections 5.3.5 and 5.4.1), or not yet."""
    mn_id: str = ""
    """As far as it is known; empty when the PBU does not say or nobody of that name is."""
    entry: BindingCacheEntry | None = None
    """The new entry to store; None: the cache stays as it is."""
    memberships: tuple[GroupMembership, ...] | None = None
    """Multicast state of a PBU-M; None: it carried none."""
    replayed: bool = False
    held: bool = False
    """To be judged once more: when the MN's present session is de-registered, or MaxDelayBeforeNewBCEAssign is over."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """The LMA as far as a judgement needs it."""

    cache: BindingCache
    domain: Domain
    policy: PolicyStore
    may_assign: bool = True
    """Whether a prefix may be taken from the pool: a new LMA has to hear first which of them are in use."""

    def judge(
        self, update: ProxyBindingUpdate, source: IPv6Address, *, received_at: float, now: float, turn: Turn = Turn.FIRST
    ) -> Verdict:
        """The verdict on a PBU: `received_at` is wall-clock time (Timestamp option), `now` the core's clock (lifetimes)."""
        try:
            return self._judge(update, source, received_at, now, turn)
        except Refusal as reason:
            identifier = find_option(update, MobileNodeIdentifier)
            known = identifier is not None and self.policy.by_id(identifier.identifier) is not None
            return Verdict(
                status=reason.status,
                acknowledgement=refusal(update, reason),
                mn_id=identifier.identifier if identifier is not None and known else "",
                detail=reason.detail,
            )

    def _judge(
        self, update: ProxyBindingUpdate, source: IPv6Address, received_at: float, now: float, turn: Turn
    ) -> Verdict:
        profile, mag = self._identified(update, source)
        sessions = self.cache.sessions(profile.id)
        stamp = find_option(update, Timestamp)
        for session in sessions:
            if session.proxy_care_of_address == mag.address and is_repeat(update, stamp, session):
                return Verdict(
                    status=BindingStatus.ACCEPTED, acknowledgement=session.acknowledgement, mn_id=profile.id,
                    replayed=True, detail="repeated PBU",
                )
        request = _session_request(update, profile.id, mag)
        lookup = self._lookup(request)
        if update.lifetime_s == 0 and request is not None and isinstance(lookup, Lookup):
            ignored = _ignored_deregistration(lookup, mag)
            if ignored:
                # Before the order of messages: neither is answered, whatever its timestamp.
                return Verdict(
                    status=BindingStatus.ACCEPTED, acknowledgement=None, mn_id=profile.id, detail=ignored
                )
        if turn is not Turn.FIRST:
            pass
        elif stamp is not None:
            check_timestamp(stamp, sessions, self.domain.timers.timestamp_validity_window_ms / 1000, received_at)
        elif isinstance(lookup, Lookup) and lookup.found is Found.UPDATE:
            check_sequence(update, lookup.session)
        if request is None:
            raise _missing(update)
        if isinstance(lookup, Refusal):
            raise lookup
        if self._must_wait(lookup, request, profile, turn):
            return Verdict(
                status=BindingStatus.ACCEPTED, acknowledgement=None, mn_id=profile.id, held=True,
                detail="a new session, or one that is still registered elsewhere",
            )
        return self._accepted(update, profile, mag, request, lookup, now)

    def _identified(self, update: ProxyBindingUpdate, source: IPv6Address) -> tuple[MobileNode, Mag]:
        """Rules 4 to 8: who is it about, who speaks, and may it."""
        identifier = find_option(update, MobileNodeIdentifier)
        if identifier is None or not identifier.identifier:
            raise Refusal(BindingStatus.MISSING_MN_IDENTIFIER_OPTION, "no Mobile Node Identifier option")
        mag, alternate = self.domain.mag_by_address(source), find_option(update, AlternateCareOfAddress)
        if mag is None:
            raise Refusal(BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG, f"{source} is no MAG of this domain")
        if alternate is not None and alternate.address != mag.address:
            detail = f"{mag.id} speaks for {alternate.address}"
            raise Refusal(BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG, detail)
        profile = self.policy.by_id(identifier.identifier)
        if profile is None:
            detail = f"{identifier.identifier} is not in the policy store"
            raise Refusal(BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE, detail)
        if not self.policy.may_register(profile.id, mag.id):
            raise Refusal(BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG, f"{mag.id} may not register {profile.id}")
        if not profile.mobility_service:
            raise Refusal(BindingStatus.PROXY_REG_NOT_ENABLED, f"{profile.id} has no mobility service")
        return profile, mag

    def _lookup(self, request: SessionRequest | None) -> Lookup | Refusal:
        """Rule 13 needed early, to know whose number or former MAG is asked about; what it refuses is said in its turn."""
        if request is None:
            return CREATE
        try:
            return find_session(request, self.cache)
        except Refusal as reason:
            return reason

    def _must_wait(self, lookup: Lookup, request: SessionRequest, profile: MobileNode, turn: Turn) -> bool:
        if lookup.found is Found.UPDATE:
            return False
        if not self.may_assign and needs_pool(profile, request.asked, self.cache):
            return True
        waits = lookup.found is Found.WAIT and self.domain.timers.max_delay_before_new_bce_assign_ms > 0
        return waits and turn is not Turn.LAST

    def _accepted(
        self,
        update: ProxyBindingUpdate,
        profile: MobileNode,
        mag: Mag,
        request: SessionRequest,
        lookup: Lookup,
        now: float,
    ) -> Verdict:
        present = lookup.session if lookup.found is Found.UPDATE else None
        gre = gre_answer(update, self.domain)
        if present is not None:
            prefixes = present.home_network_prefixes
        else:
            prefixes = assign(profile, request.asked, self.domain.lma.home_network_prefix_pool, self.cache)
        if not mag.may_host(prefixes):
            detail = f"{mag.id} may not register {', '.join(map(str, prefixes))}"
            raise Refusal(BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG, detail)
        timers = self.domain.timers
        deregistration = update.lifetime_s == 0
        lifetime_s = min(update.lifetime_s, timers.binding_lifetime_s)
        link_local = link_local_address(update, present.link_local_address if present is not None else None)
        multicast = update.multicast and self.domain.lma.multicast_signalling
        acknowledgement = acceptance(
            update, prefixes=prefixes, lifetime_s=lifetime_s, gre=gre, link_local=link_local, multicast=multicast
        )
        stamp = find_option(update, Timestamp)
        entry = BindingCacheEntry(
            mn_id=profile.id,
            home_network_prefixes=prefixes,
            mag_id=mag.id,
            proxy_care_of_address=mag.address,
            link_layer_id=request.link_layer_id,
            access_technology_type=request.technology,
            sequence=update.sequence,
            timestamp=_latest(stamp, present),
            lifetime_s=lifetime_s,
            expires_at=now + (timers.min_delay_before_bce_delete_ms / 1000 if deregistration else lifetime_s),
            state=BindingState.PENDING_DELETE if deregistration else BindingState.ACTIVE,
            multicast=multicast,
            own_interface=request.link_layer_id in (None, profile.link_layer_id),
            link_local_address=link_local,
            gre_key=gre.key,
            acknowledgement=acknowledgement,
        )
        groups_max = self.domain.limits.groups_per_mobile_node
        carries = multicast and not deregistration
        return Verdict(
            status=acknowledgement.status,
            acknowledgement=acknowledgement,
            mn_id=profile.id,
            entry=entry,
            memberships=_memberships(update, profile.id, self.policy, groups_max) if carries else None,
        )


def _session_request(update: ProxyBindingUpdate, mn_id: str, mag: Mag) -> SessionRequest | None:
    """None when one of the options of rules 10 to 12 is missing."""
    prefixes, handoff, technology = find_options(update, HomeNetworkPrefix), _handoff(update), _technology(update)
    if not prefixes or handoff is None or technology is None:
        return None
    named = tuple(option.prefix for option in prefixes if option.prefix.network_address != ALL_ZERO_ADDRESS)
    link_layer = find_option(update, MobileNodeLinkLayerIdentifier)
    identifier = link_layer.identifier if link_layer is not None else b""
    return SessionRequest(
        mn_id=mn_id,
        prefixes=named,
        # One that is all zero asks the LMA to choose (section 5.3.2 rule 1), whatever stands beside it.
        asked=named if len(named) == len(prefixes) else (),
        link_layer_id=identifier if any(identifier) else None,
        technology=int(technology),
        # One that IANA has given out since, or not at all, says of the session as much as 'unknown' does.
        handoff=handoff if handoff in tuple(HandoffIndicator) else HandoffIndicator.UNKNOWN,
        proxy_care_of_address=mag.address,
    )


def _handoff(update: ProxyBindingUpdate) -> HandoffIndicator | None:
    """None also for the reserved 0, which stands for an option that is not there (RFC 5213 sections 5.3.6 and 8.4)."""
    option = find_option(update, HandoffIndicatorOption)
    return None if option is None or option.indicator == HandoffIndicator.RESERVED else option.indicator


def _technology(update: ProxyBindingUpdate) -> AccessTechnologyType | None:
    """Likewise (section 8.5). Types that have no name here are taken: they are only held against each other."""
    option = find_option(update, AccessTechnologyTypeOption)
    return None if option is None or option.technology == AccessTechnologyType.RESERVED else option.technology


def _latest(stamp: Timestamp | None, present: BindingCacheEntry | None) -> float | None:
    """One that was held may be older than what has been accepted meanwhile; the order of messages does not go back."""
    if stamp is None:
        return None
    return max(stamp.seconds, (present.timestamp or 0.0) if present is not None else 0.0)


def _missing(update: ProxyBindingUpdate) -> Refusal:
    """Rules 10 to 12."""
    if not find_options(update, HomeNetworkPrefix):
        return Refusal(BindingStatus.MISSING_HOME_NETWORK_PREFIX_OPTION, "no Home Network Prefix option")
    if _handoff(update) is None:
        return Refusal(BindingStatus.MISSING_HANDOFF_INDICATOR_OPTION, "no Handoff Indicator option, or a reserved one")
    return Refusal(BindingStatus.MISSING_ACCESS_TECH_TYPE_OPTION, "no Access Technology Type option, or a reserved one")


def _ignored_deregistration(lookup: Lookup, mag: Mag) -> str:
    """Why a de-registration is not answered; '' when it is."""
    if lookup.session is None:
        # The last rules of sections 5.4.1.1 to 5.4.1.3.
        return "de-registration of nothing is ignored"
    if lookup.session.proxy_care_of_address != mag.address:
        # Section 5.3.5.
        return "de-registration by a former MAG is ignored"
    return ""


def _memberships(
    update: ProxyBindingUpdate, mn_id: str, policy: PolicyStore, groups_max: int
) -> tuple[GroupMembership, ...]:
    """Multicast state of a PBU-M: one option 57 (of IPv4 56) a group; groups that the MN may not have are left out."""
    memberships, _ignored = memberships_from_records(multicast_records(update))
    return tuple(m for m in memberships if policy.may_join(mn_id, m.group))[:groups_max]
