# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Binding Update List say to it, and ask of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Network
from typing import Any

from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.iana import BindingStatus
from southbound.codec.options import MobileNodeIdentifier
from tests.scenario.handover_script import MN1, watched
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain
from topology.model import Domain, MobileNode

ALL_ZERO = IPv6Network("::/0")
OWN = IPv6Network("2001:db8:100:1::/64")

POOL = IPv6Network("2001:db8:200::/56")


def running(whole: Domain | None = None) -> SimulatedDomain:
    """Both mobile nodes at mag1, watched."""
    return watched(SimulatedDomain(whole or three_mags()))


def with_nodes(how: Callable[[MobileNode], MobileNode]) -> Domain:
    whole = three_mags()
    return replace(whole, mobile_nodes=tuple(how(node) for node in whole.mobile_nodes))


def updates(domain: SimulatedDomain, mag_id: str = "mag1", mn_id: str = MN1, name: str = "PBU") -> list[ProxyBindingUpdate]:
    messages = [carried.message for carried in domain.transport.sent(name, mag_id)]
    found = [message for message in messages if isinstance(message, ProxyBindingUpdate)]
    return [message for message in found if MobileNodeIdentifier(identifier=mn_id) in message.options]


def times(domain: SimulatedDomain, mag_id: str) -> list[float]:
    return [carried.at for carried in domain.transport.sent("PBU", mag_id)]


def answer(domain: SimulatedDomain, status: int, count: int = 1, **fields: Any) -> None:
    """The LMA's next PBAs say this."""
    domain.transport.change(
        "PBA", lambda message: replace(message, status=BindingStatus(status), **{"lifetime_s": 0, **fields}), count
    )


def state(domain: SimulatedDomain, mag_id: str = "mag1", mn_id: str = MN1) -> str | None:
    return domain.agents[mag_id].core.snapshot().bindings.get(mn_id)


def advertised(domain: SimulatedDomain, since: float, mn_id: str = MN1) -> bool:
    return any(at > since for at, _ in domain.mobile_nodes[mn_id].advertisements)


def counted(domain: SimulatedDomain, name: str, mag_id: str = "mag1") -> int:
    return domain.agents[mag_id].core.counters.get(name, 0)


def pooled() -> Domain:
    whole = with_nodes(lambda node: replace(node, home_network_prefixes=()) if node.id == MN1 else node)
    return replace(whole, lma=replace(whole.lma, home_network_prefix_pool=(POOL,)))
