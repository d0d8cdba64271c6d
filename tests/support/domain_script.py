# SPDX-License-Identifier: Apache-2.0
"""What the agents and switches of a domain say to a controller's core, for tests that have neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from typing import Any

from controller.events import (
    AgentConnected,
    AgentNotified,
    AgentRequested,
    Event,
    ProxyBindingUpdateReceived,
    SwitchConnected,
)
from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.iana import AccessTechnologyType, HandoffIndicator
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Timestamp,
)
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.rpc import methods
from topology.model import Domain

MN1, MN2 = "mn1@example.net", "mn2@example.net"
GROUP = IPv6Address("ff1e::101")
WALL = 1_700_000_000.0


def switch_kinds(domain: Domain) -> dict[str, str]:
    """The kind of each switch by its name."""
    lma = domain.lma.id
    return {lma: "lma", f"{lma}-transport": "lma-transport", **{mag.id: "mag" for mag in domain.mags}}


class DomainScript:
    """Tells the core through `post_event`; `wall` is the time that agents have, seconds since 1970."""

    def __init__(self, domain: Domain, post_event: Callable[[Event], Any], wall: float = WALL) -> None:
        self.domain = domain
        self.post_event = post_event
        self.wall = wall

    def connect_all(self) -> None:
        """Every switch and every agent."""
        for name in switch_kinds(self.domain):
            self.post_event(SwitchConnected(switch=name))
        for mag in self.domain.mags:
            self.post_event(AgentConnected(mag_id=mag.id))

    def synchronise(self, attached: Mapping[str, tuple[str, ...]]) -> None:
        """The agents have told everything; who is on whose links."""
        for mag in self.domain.mags:
            self.notify(mag.id, methods.Synchronised(attached=attached.get(mag.id, ())))

    def attach(self, mag_id: str, mn_id: str) -> None:
        profile = next(node for node in self.domain.mobile_nodes if node.id == mn_id)
        self.notify(mag_id, methods.MobileNodeAttached(mn_id=mn_id, access_port=profile.access_port()))
        everything = GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE)
        self.notify(mag_id, methods.MembershipReported(mn_id=mn_id, memberships=(everything,)))
        self.bind(mag_id, mn_id)

    def bind(self, mag_id: str, mn_id: str, sequence: int = 1) -> None:
        profile = next(node for node in self.domain.mobile_nodes if node.id == mn_id)
        mag = self.domain.mag(mag_id)
        if mag is None:
            raise KeyError(mag_id)
        update = ProxyBindingUpdate(
            sequence=sequence,
            lifetime_s=300,
            options=(
                MobileNodeIdentifier(identifier=mn_id),
                *(HomeNetworkPrefix(prefix=prefix) for prefix in profile.home_network_prefixes),
                HandoffIndicatorOption(indicator=HandoffIndicator.UNKNOWN),
                AccessTechnologyTypeOption(technology=AccessTechnologyType.IEEE_802_11),
                MobileNodeLinkLayerIdentifier(identifier=profile.link_layer_id),
                Timestamp.from_seconds(self.wall + sequence / 100),
            ),
        )
        self.post_event(
            ProxyBindingUpdateReceived(update=update, source=mag.address, received_at=self.wall, reply_to=None)
        )

    def notify(self, mag_id: str, call: Any) -> None:
        self.post_event(AgentNotified(mag_id=mag_id, call=call))

    def step(self, handover_id: str, number: int, name: str, node: str, at: float, detail: str = "") -> None:
        self.notify(
            node,
            methods.StepReached(
                handover_id=handover_id, mn_id=MN1, step=number, name=name, at=at, previous_mag="mag1", new_mag="mag2",
                detail=detail,
            ),
        )

    def call(self, mag_id: str, call: Any) -> None:
        self.post_event(AgentRequested(mag_id=mag_id, token=1, call=call))

    def prepare_and_clone(self, handover_id: str) -> None:
        """What the agents of mag1 and mag2 say of a handover of mn1 until the mobile node may leave."""
        groups = (GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE),)
        known = {"handover_id": handover_id, "mn_id": MN1}
        self.step(handover_id, 1, "HO-Initiate", "mag1", self.wall + 0.001, "REST")
        self.step(handover_id, 2, "HI", "mag1", self.wall + 0.001, "1 group(s)")
        self.step(handover_id, 3, "HAck", "mag2", self.wall + 0.002)
        prepare = methods.PrepareForwarding(**known, previous_mag="mag1", memberships=groups, uplink_waits=True)
        self.call("mag2", prepare)
        self.step(handover_id, 4, "HI(F)", "mag2", self.wall + 0.004)
        self.call("mag1", methods.CloneGroups(**known, new_mag="mag2", memberships=groups))
        self.step(handover_id, 4, "HAck to HI(F)", "mag1", self.wall + 0.006, "clone confirmed")
        self.step(handover_id, 5, "tunnel data", "mag2", self.wall + 0.007)

    def complete(self, handover_id: str) -> None:
        """Everything that they say of one that goes well."""
        groups = (GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE),)
        known = {"handover_id": handover_id, "mn_id": MN1}
        self.prepare_and_clone(handover_id)
        self.step(handover_id, 6, "MN left", "mag1", self.wall + 0.05, "last packet of 1 stream(s) named")
        self.notify("mag1", methods.MobileNodeDetached(mn_id=MN1))
        self.notify("mag2", methods.MobileNodeAttached(mn_id=MN1, access_port="mn1"))
        self.notify("mag2", methods.MembershipReported(mn_id=MN1, memberships=groups))
        self.step(handover_id, 8, "PBU-M", "mag2", self.wall + 0.1, "1 group(s)")
        self.step(handover_id, 7, "delivery", "mag2", self.wall + 0.101, "48 buffered")
        self.bind("mag2", MN1, sequence=2)
        self.step(handover_id, 9, "PBA", "mag2", self.wall + 0.103, "status 0")
        self.step(handover_id, 10, "native data", "mag2", self.wall + 0.104)
        self.call("mag2", methods.DeliverDirectly(**known))
        self.step(handover_id, 11, "HI completed", "mag1", self.wall + 0.108, "completed")
        self.step(handover_id, 11, "HAck completed", "mag2", self.wall + 0.109)
        for mag_id in ("mag1", "mag2"):
            self.call(mag_id, methods.ReleaseForwarding(**known, outcome="completed"))
        counters = {"received_tunnel": 98, "received_native": 7, "delivered": 100, "duplicates_dropped": 5}
        self.notify("mag2", methods.BufferReport(**known, counters=counters))
        for mag_id, path, begin, packets in (
            ("mag1", "previous_mag", 0.001, (5, 5, 5, 5, 5, 5, 5, 5, 5, 4)), ("mag2", "tunnel", 0.007, (5,) * 20),
            ("mag2", "new_mag", 0.101, (52, 8)),
        ):
            self.notify(mag_id, methods.PacketCounts(
                **known, path=path, begins_at=self.wall + begin, interval_s=0.005, packets=packets,
            ))
