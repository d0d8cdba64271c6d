# SPDX-License-Identifier: Apache-2.0
"""PBUs of a MAG of the domain in topology.yaml, and what the LMA makes of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from controller.binding_cache import BindingCache
from controller.registration import Registrar, Verdict
from southbound.codec.accessors import find_options
from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.iana import AccessTechnologyType, HandoffIndicator
from southbound.codec.mobility import Dialect, decode_mobility, encode_mobility
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    MobilityOption,
    Timestamp,
)
from tests.support.domains import three_mags
from topology.model import Domain
from topology.policy_store import PolicyStore

GIVEN = three_mags()
POOL = (IPv6Network("2001:db8:200::/56"),)
UNSERVED = replace(
    GIVEN.mobile_nodes[1], id="mn8@example.net", mobility_service=False,
    home_network_prefixes=(IPv6Network("2001:db8:100:8::/64"),),
)  # fmt: skip
POOLED = replace(GIVEN.mobile_nodes[1], id="mn9@example.net", home_network_prefixes=())
DOMAIN = replace(
    GIVEN,
    lma=replace(GIVEN.lma, home_network_prefix_pool=POOL),
    mobile_nodes=(*GIVEN.mobile_nodes, UNSERVED, POOLED),
)

MAG1, MAG2 = (mag.address for mag in DOMAIN.mags[:2])
MN1, MN2 = DOMAIN.mobile_nodes[:2]
OTHER_INTERFACE = b"\x02\0\0\0\0\x77"
WALL = 1_760_000_000.0
NOW = 100.0


def update(
    *, sequence: int = 7, lifetime_s: int = 300, stamp: float | None = WALL, without: tuple[type, ...] = (),
    more: tuple[MobilityOption, ...] = (), **changed: Any,
) -> ProxyBindingUpdate:
    """A PBU that is right in everything, but for what is asked for."""
    options: list[MobilityOption] = [
        MobileNodeIdentifier(identifier=changed.get("mn_id", MN1.id)),
        HomeNetworkPrefix(prefix=changed.get("prefix", MN1.home_network_prefixes[0])),
        HandoffIndicatorOption(indicator=HandoffIndicator(changed.get("handoff", HandoffIndicator.UNKNOWN))),
        AccessTechnologyTypeOption(technology=AccessTechnologyType(changed.get("technology", 3))),
        MobileNodeLinkLayerIdentifier(identifier=changed.get("link_layer_id", MN1.link_layer_id)),
    ]
    if stamp is not None:
        options.append(Timestamp.from_seconds(stamp))
    kept = tuple(option for option in options if not isinstance(option, without))
    return ProxyBindingUpdate(
        sequence=sequence, lifetime_s=lifetime_s, multicast=changed.get("multicast", False), options=(*kept, *more)
    )


class Lma:
    """A cache and a clock, and what PBUs do to it."""

    def __init__(self, domain: Domain = DOMAIN) -> None:
        self.cache, self.domain = BindingCache(), domain

    def judge(self, message: ProxyBindingUpdate, source: IPv6Address = MAG1, at: float = WALL) -> Verdict:
        policy = PolicyStore(self.domain.mobile_nodes)
        registrar = Registrar(cache=self.cache, domain=self.domain, policy=policy)
        verdict = registrar.judge(message, source, received_at=at, now=NOW + at - WALL)
        if verdict.entry is not None:
            self.cache.put(verdict.entry)
        return verdict


def answer_of(verdict: Verdict) -> ProxyBindingAcknowledgement:
    """The PBA as it arrives: through the codec and back."""
    assert verdict.acknowledgement is not None
    header = encode_mobility(verdict.acknowledgement, DOMAIN.lma.address, MAG1)
    read = decode_mobility(header, DOMAIN.lma.address, MAG1, Dialect.RFC)
    assert isinstance(read, ProxyBindingAcknowledgement)
    assert read == verdict.acknowledgement
    return read


def granted(verdict: Verdict) -> tuple[IPv6Network, ...]:
    answer = answer_of(verdict)
    assert answer.status == 0
    return tuple(option.prefix for option in find_options(answer, HomeNetworkPrefix))
