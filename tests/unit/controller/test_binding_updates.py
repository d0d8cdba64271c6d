# SPDX-License-Identifier: Apache-2.0
"""PBUs that wait at the LMA: for the former MAG's de-registration, and for a new LMA to know which prefixes are in use."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from controller import commands, events
from controller.lma import ANCHOR_S, SETTLE_S, LmaCore
from southbound.codec.accessors import home_network_prefixes
from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.iana import AccessTechnologyType, HandoffIndicator
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Timestamp,
)
from southbound.rpc import methods
from tests.support.domains import three_mags
from topology.model import Domain

GIVEN = three_mags()
POOLED, SECOND = (replace(node, home_network_prefixes=()) for node in GIVEN.mobile_nodes)
POOL = IPv6Network("2001:db8:200::/63")
P1, P2 = POOL.subnets(new_prefix=64)
DOMAIN = replace(
    GIVEN, lma=replace(GIVEN.lma, home_network_prefix_pool=(POOL,)), mobile_nodes=(POOLED, SECOND), sources=()
)
MAG1, MAG2 = (mag.address for mag in DOMAIN.mags[:2])
UNNAMED = IPv6Network("::/0")
WALL = 1_760_000_000.0


class Lma:
    """A core whose switches confirm at once; `answers` are its PBAs."""

    def __init__(self, domain: Domain = DOMAIN, *, settled: bool = True) -> None:
        self.core = LmaCore(domain)
        self.domain = domain
        self.answers: list[ProxyBindingAcknowledgement] = []
        self.take(self.core.start(0.0), 0.0)
        for switch in (domain.lma.id, f"{domain.lma.id}-transport", *(mag.id for mag in domain.mags)):
            self.tell(events.SwitchConnected(switch=switch), 0.0)
        if settled:
            self.settle(0.0)

    def settle(self, now: float) -> None:
        for mag in self.domain.mags:
            self.tell(events.AgentConnected(mag_id=mag.id), now)
            self.tell(events.AgentNotified(mag_id=mag.id, call=methods.Synchronised(attached=())), now)
        self.tick(now + ANCHOR_S)

    def tell(self, event: events.Event, now: float) -> None:
        self.take(self.core.handle(event, now), now)

    def tick(self, now: float) -> None:
        self.take(self.core.tick(now), now)

    def take(self, said: list[commands.Command], now: float) -> None:
        for command in said:
            if isinstance(command, commands.SendProxyBindingAcknowledgement):
                self.answers.append(command.acknowledgement)
            elif isinstance(command, commands.SetForwarding):
                confirmed = events.ForwardingConfirmed(switch=command.switch, generation=command.generation)
                self.tell(confirmed, now)

    def register(self, source: IPv6Address, now: float, **changed: Any) -> None:
        message = ProxyBindingUpdate(
            sequence=changed.get("sequence", 1), lifetime_s=changed.get("lifetime_s", 300),
            options=(
                MobileNodeIdentifier(identifier=changed.get("mn_id", POOLED.id)),
                HomeNetworkPrefix(prefix=changed.get("prefix", UNNAMED)),
                HandoffIndicatorOption(indicator=HandoffIndicator(changed.get("handoff", HandoffIndicator.UNKNOWN))),
                AccessTechnologyTypeOption(technology=AccessTechnologyType.IEEE_802_3),
                MobileNodeLinkLayerIdentifier(identifier=changed.get("link_layer_id", POOLED.link_layer_id)),
                Timestamp.from_seconds(WALL + now),
            ),
        )  # fmt: skip
        event = events.ProxyBindingUpdateReceived(
            update=message, source=source, received_at=WALL + now, reply_to=None
        )
        self.tell(event, now)

    def bindings(self) -> dict[str, str]:
        """Prefix -> MAG of what is active."""
        views = self.core.snapshot().bindings
        return {view["home_network_prefixes"][0]: view["mag"] for view in views if view["state"] == "active"}


OTHER = {"link_layer_id": b"\x02\0\0\0\0\x77"}


def bound() -> tuple[Lma, IPv6Network]:
    """The MN at mag1, and the prefix that it was given."""
    lma = Lma()
    lma.register(MAG1, 1.0)
    (prefix,) = home_network_prefixes(lma.answers.pop())
    return lma, prefix


def test_a_perhaps_handover_is_one_when_the_former_mag_de_registers() -> None:
    lma, prefix = bound()
    lma.register(MAG2, 2.0, **OTHER)
    assert lma.answers == []
    assert lma.bindings() == {str(prefix): "mag1"}
    # Later by its timestamp than the PBU that waits: that one was new when it came.
    lma.register(MAG1, 2.5, lifetime_s=0, prefix=prefix)
    assert [(answer.status, answer.lifetime_s) for answer in lma.answers] == [(0, 0), (0, 300)]
    assert home_network_prefixes(lma.answers[1]) == (prefix,)
    assert lma.bindings() == {str(prefix): "mag2"}


def test_a_perhaps_handover_is_a_new_session_after_max_delay_before_new_bce_assign() -> None:
    lma, prefix = bound()
    lma.register(MAG2, 2.0, **OTHER)
    assert lma.core.next_deadline() == 3.5
    lma.tick(3.5)
    (answer,) = lma.answers
    assert home_network_prefixes(answer) != (prefix,)
    assert sorted(lma.bindings().values()) == ["mag1", "mag2"]


def test_a_mag_that_repeats_a_waiting_pbu_is_answered_once_and_in_time() -> None:
    lma, _ = bound()
    lma.register(MAG2, 2.0, **OTHER)
    lma.register(MAG2, 3.0, sequence=2, **OTHER)
    lma.tick(3.5)
    assert [answer.sequence for answer in lma.answers] == [2]


def test_whether_it_waits_can_be_configured() -> None:
    timers = replace(DOMAIN.timers, max_delay_before_new_bce_assign_ms=0)
    lma = Lma(replace(DOMAIN, timers=timers))
    lma.register(MAG1, 1.0)
    lma.register(MAG2, 2.0, **OTHER)
    assert [answer.status for answer in lma.answers] == [0, 0]
    assert sorted(lma.bindings().values()) == ["mag1", "mag2"]


def test_a_restarted_lma_gives_nobody_a_prefix_that_somebody_has() -> None:
    """Both MNs would get the same prefix if the one that comes first chose before the other has told what it has."""
    first = Lma()
    first.register(MAG1, 1.0)
    (wanted,) = home_network_prefixes(first.answers[0])
    lma = Lma(settled=False)
    lma.register(MAG1, 0.1)
    assert lma.answers == []
    lma.tick(1.7)
    lma.register(MAG2, 1.8, mn_id=SECOND.id, prefix=wanted, handoff=HandoffIndicator.REREGISTRATION,
                 link_layer_id=SECOND.link_layer_id)
    lma.settle(2.0)
    given = {view["mn_id"]: view["home_network_prefixes"] for view in lma.core.snapshot().bindings}
    assert given[SECOND.id] == [str(wanted)]
    assert given[POOLED.id] != [str(wanted)]
    assert len(lma.answers) == 2


def test_a_restarted_lma_that_hears_from_nobody_settles_all_the_same() -> None:
    lma = Lma(settled=False)
    lma.register(MAG1, 0.1)
    for now in (1.0, SETTLE_S, SETTLE_S + ANCHOR_S):
        lma.tick(now)
    assert len(lma.answers) == 1


def test_a_prefix_is_free_again_when_its_binding_is_deleted() -> None:
    lma, prefix = bound()
    lma.register(MAG1, 2.0, lifetime_s=0, prefix=prefix)
    assert lma.core.next_deadline() == 12.0
    lma.tick(12.0)
    assert lma.core.snapshot().bindings == ()
    lma.register(MAG2, 13.0, mn_id=SECOND.id, link_layer_id=SECOND.link_layer_id, prefix=prefix)
    assert lma.bindings() == {str(prefix): "mag2"}
