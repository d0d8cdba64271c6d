# SPDX-License-Identifier: Apache-2.0
"""Judge a Proxy Binding Update (RFC 5213 sections 5.3.1-5.3.6 and 5.5) and write its acknowledgement.

A pure function of the update, the cache and the policy store. Nothing is changed here: the verdict says what to store.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from controller.binding_cache import BindingCache, BindingCacheEntry, BindingState
from southbound.codec.accessors import find_option, find_options
from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.iana import AccessTechnologyType, BindingStatus, HandoffIndicator
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    ActiveMulticastSubscription,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    LinkLocalAddress,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    MobilityOption,
    Timestamp,
)
from southbound.mld.context import memberships_from_records
from southbound.mld.membership import GroupMembership
from topology.model import Domain
from topology.policy_store import PolicyStore

ALL_ZERO_PREFIX = IPv6Network("::/0").network_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do with one PBU."""

    status: BindingStatus
    acknowledgement: ProxyBindingAcknowledgement | None
    """None: say nothing (a de-registration by a MAG that no longer holds the binding, RFC 5213 section 5.3.5)."""
    entry: BindingCacheEntry | None = None
    """The new entry to store; None: the cache stays as it is."""
    memberships: tuple[GroupMembership, ...] | None = None
    """Multicast state of a PBU-M; None: it carried none."""
    replayed: bool = False
    detail: str = ""


class _Refusal(Exception):  # noqa: N818 - carries a status, is no error of ours
    def __init__(
        self, status: BindingStatus, detail: str, *, timestamp: float | None = None, sequence: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.timestamp, self.sequence = status, detail, timestamp, sequence


def judge(
    update: ProxyBindingUpdate,
    source: IPv6Address,
    *,
    cache: BindingCache,
    domain: Domain,
    policy: PolicyStore,
    received_at: float,
    now: float,
) -> Verdict:
    """The verdict on a PBU: `received_at` is wall-clock time (Timestamp option), `now` the core's clock (lifetimes)."""
    try:
        return _judge(update, source, cache, domain, policy, received_at, now)
    except _Refusal as refusal:
        return Verdict(
            status=refusal.status,
            acknowledgement=_refusal_acknowledgement(update, refusal),
            detail=refusal.detail,
        )


def _judge(
    update: ProxyBindingUpdate,
    source: IPv6Address,
    cache: BindingCache,
    domain: Domain,
    policy: PolicyStore,
    received_at: float,
    now: float,
) -> Verdict:
    # The order of the checks is RFC 5213 section 5.3.1.
    identifier = find_option(update, MobileNodeIdentifier)
    if identifier is None or not identifier.identifier:
        raise _Refusal(BindingStatus.MISSING_MN_IDENTIFIER_OPTION, "no Mobile Node Identifier option")
    mn_id = identifier.identifier
    mag = domain.mag_by_address(source)
    if mag is None:
        raise _Refusal(BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG, f"{source} is no MAG of this domain")
    profile = policy.by_id(mn_id)
    if profile is None:
        raise _Refusal(BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE, f"{mn_id} is not in the policy store")
    if not policy.may_register(mn_id, mag.id):
        raise _Refusal(BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG, f"{mag.id} may not register {mn_id}")
    present = cache.lookup(mn_id)
    stamp = find_option(update, Timestamp)
    if _is_repeat(update, source, stamp, present):
        return Verdict(
            status=BindingStatus.ACCEPTED, acknowledgement=_stored(present), replayed=True, detail="repeated PBU"
        )
    if update.lifetime_s == 0 and present is not None and present.proxy_care_of_address != source:
        # Checked before the order of messages: a late de-registration of the former MAG is ignored, not answered.
        return Verdict(
            status=BindingStatus.ACCEPTED, acknowledgement=None, detail="de-registration by a former MAG is ignored"
        )
    _check_order(update, stamp, present, domain.timers.timestamp_validity_window_ms / 1000, received_at)
    prefixes = tuple(option.prefix for option in find_options(update, HomeNetworkPrefix))
    if not prefixes:
        raise _Refusal(BindingStatus.MISSING_HOME_NETWORK_PREFIX_OPTION, "no Home Network Prefix option")
    handoff = find_option(update, HandoffIndicatorOption)
    if handoff is None:
        raise _Refusal(BindingStatus.MISSING_HANDOFF_INDICATOR_OPTION, "no Handoff Indicator option")
    technology = find_option(update, AccessTechnologyTypeOption)
    if technology is None:
        raise _Refusal(BindingStatus.MISSING_ACCESS_TECH_TYPE_OPTION, "no Access Technology Type option")
    granted = _prefixes(mn_id, prefixes, profile.home_network_prefixes, present, policy)
    link_layer = find_option(update, MobileNodeLinkLayerIdentifier)
    lifetime_s = min(update.lifetime_s, domain.timers.binding_lifetime_s)
    acknowledgement = _acknowledgement(update, BindingStatus.ACCEPTED, lifetime_s, granted)
    deregistration = update.lifetime_s == 0
    groups_max = domain.limits.groups_per_mobile_node
    wait_s = domain.timers.min_delay_before_bce_delete_ms / 1000
    if deregistration and present is None:
        return Verdict(status=BindingStatus.ACCEPTED, acknowledgement=acknowledgement, detail="nothing was registered")
    entry = BindingCacheEntry(
        mn_id=mn_id,
        home_network_prefixes=granted,
        mag_id=mag.id,
        proxy_care_of_address=source,
        link_layer_id=link_layer.identifier if link_layer else None,
        access_technology_type=int(technology.technology),
        sequence=update.sequence,
        timestamp=stamp.seconds if stamp else None,
        lifetime_s=lifetime_s,
        expires_at=now + (wait_s if deregistration else lifetime_s),
        state=BindingState.PENDING_DELETE if deregistration else BindingState.ACTIVE,
        multicast=update.multicast,
        acknowledgement=acknowledgement,
    )
    return Verdict(
        status=BindingStatus.ACCEPTED,
        acknowledgement=acknowledgement,
        entry=entry,
        memberships=None if deregistration else _memberships(update, mn_id, policy, groups_max),
    )


def _memberships(
    update: ProxyBindingUpdate, mn_id: str, policy: PolicyStore, groups_max: int
) -> tuple[GroupMembership, ...] | None:
    """Multicast state of a PBU-M: one option 57 a group; groups that the MN may not have are left out."""
    if not update.multicast:
        return None
    records = [option.record for option in find_options(update, ActiveMulticastSubscription)]
    memberships, _ignored = memberships_from_records(records)
    return tuple(m for m in memberships if policy.may_join(mn_id, m.group))[:groups_max]


def _is_repeat(
    update: ProxyBindingUpdate, source: IPv6Address, stamp: Timestamp | None, present: BindingCacheEntry | None
) -> bool:
    return (
        present is not None
        and present.acknowledgement is not None
        and stamp is not None
        and (present.proxy_care_of_address, present.sequence, present.timestamp)
        == (source, update.sequence, stamp.seconds)
    )


def _stored(present: BindingCacheEntry | None) -> ProxyBindingAcknowledgement | None:
    return present.acknowledgement if present is not None else None


def _check_order(
    update: ProxyBindingUpdate,
    stamp: Timestamp | None,
    present: BindingCacheEntry | None,
    window_s: float,
    received_at: float,
) -> None:
    """RFC 5213 section 5.5 with a Timestamp, RFC 6275 section 9.5.1 without."""
    if stamp is not None:
        last = present.timestamp if present is not None else None
        if last is not None and stamp.seconds < last:
            raise _Refusal(
                BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED,
                "older than the last accepted PBU",
                timestamp=received_at,
            )
        if abs(stamp.seconds - received_at) > window_s or stamp.seconds == last:
            raise _Refusal(
                BindingStatus.TIMESTAMP_MISMATCH,
                f"{stamp.seconds - received_at:+.3f} s from the LMA's clock; allowed: {window_s} s",
                timestamp=received_at,
            )
    elif present is not None and ((present.sequence - update.sequence) & 0xFFFF) <= 0x8000:
        raise _Refusal(
            BindingStatus.SEQUENCE_NUMBER_OUT_OF_WINDOW,
            f"sequence {update.sequence} after {present.sequence}",
            sequence=present.sequence,
        )


def _prefixes(
    mn_id: str,
    asked: tuple[IPv6Network, ...],
    own: tuple[IPv6Network, ...],
    present: BindingCacheEntry | None,
    policy: PolicyStore,
) -> tuple[IPv6Network, ...]:
    """The prefixes to grant: an all-zero prefix asks the LMA to assign one (RFC 5213 section 5.3.2)."""
    if all(prefix.network_address == ALL_ZERO_PREFIX for prefix in asked):
        return present.home_network_prefixes if present is not None else own
    for prefix in asked:
        if not policy.owns_prefix(mn_id, prefix):
            raise _Refusal(
                BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX, f"{prefix} is not a prefix of {mn_id}"
            )
    if present is not None and set(present.home_network_prefixes) != set(asked):
        raise _Refusal(BindingStatus.BCE_PBU_PREFIX_SET_DO_NOT_MATCH, "not the prefixes of the present binding")
    return asked


def _acknowledgement(
    update: ProxyBindingUpdate, status: BindingStatus, lifetime_s: int, prefixes: tuple[IPv6Network, ...]
) -> ProxyBindingAcknowledgement:
    """RFC 5213 section 5.3.6: MN-ID, prefixes, Handoff Indicator and ATT always; others only if the PBU had them."""
    identifier = find_option(update, MobileNodeIdentifier)
    options: list[MobilityOption] = [identifier if identifier is not None else MobileNodeIdentifier(identifier="")]
    options += [HomeNetworkPrefix(prefix=prefix) for prefix in prefixes]
    handoff = find_option(update, HandoffIndicatorOption)
    options.append(handoff or HandoffIndicatorOption(indicator=HandoffIndicator.RESERVED))
    technology = find_option(update, AccessTechnologyTypeOption)
    options.append(technology or AccessTechnologyTypeOption(technology=AccessTechnologyType.RESERVED))
    echoed = (MobileNodeLinkLayerIdentifier, LinkLocalAddress, Timestamp)
    options += [option for option in update.options if isinstance(option, echoed)][: len(echoed)]
    return ProxyBindingAcknowledgement(
        status=status,
        sequence=update.sequence,
        lifetime_s=lifetime_s,
        proxy=True,
        multicast=update.multicast,
        options=tuple(options),
    )


def _refusal_acknowledgement(update: ProxyBindingUpdate, refusal: _Refusal) -> ProxyBindingAcknowledgement:
    prefixes = tuple(option.prefix for option in find_options(update, HomeNetworkPrefix)) or (IPv6Network("::/0"),)
    acknowledgement = _acknowledgement(update, refusal.status, 0, prefixes)
    options = acknowledgement.options
    if refusal.timestamp is not None:
        # 156 and 157 carry the LMA's own time (RFC 5213 section 5.5).
        options = tuple(
            Timestamp.from_seconds(refusal.timestamp) if isinstance(option, Timestamp) else option for option in options
        )
    return ProxyBindingAcknowledgement(
        status=refusal.status,
        sequence=update.sequence if refusal.sequence is None else refusal.sequence,
        lifetime_s=0,
        proxy=True,
        multicast=False,
        options=options,
    )

