# SPDX-License-Identifier: Apache-2.0
"""LmaCore by itself: who waits for what, what may not be said too early, and that nothing hostile gets through."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from apps.mobility_packets import ReplyTo, answer_frame, frame_event
from controller import commands, events
from controller.commands import RejectAgent, RespondToAgent, SendProxyBindingAcknowledgement, SetForwarding
from controller.lma import ANCHOR_S, SETTLE_S, LmaCore
from controller.snapshot import Snapshot
from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.ethernet import EthernetFrame, decode_ethernet, encode_ethernet
from southbound.codec.iana import AccessTechnologyType, BindingStatus, HandoffIndicator
from southbound.codec.ipv6 import Ipv6Packet, encode_ipv6
from southbound.codec.mobility import encode_mobility_packet
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Timestamp,
)
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.openflow.intents import ForwardingIntent, SignallingIntent, ToHandoverBuffer
from southbound.rpc import methods
from tests.support.domains import three_mags
from tests.unit.southbound.codec import codec_strategies
from topology.model import Domain

DOMAIN = replace(three_mags(), sources=())
LMA = DOMAIN.lma.address
MAG1, MAG2 = (mag.address for mag in DOMAIN.mags[:2])
MN1 = DOMAIN.mobile_nodes[0]
GROUP = GroupMembership(group=IPv6Address("ff1e::101"), filter_mode=FilterMode.EXCLUDE)
WALL = 1_760_000_000.0


def pbu(sequence: int = 1, stamp: float = WALL, lifetime_s: int = 300) -> ProxyBindingUpdate:
    return ProxyBindingUpdate(
        sequence=sequence, lifetime_s=lifetime_s, multicast=True,
        options=(
            MobileNodeIdentifier(identifier=MN1.id), HomeNetworkPrefix(prefix=MN1.home_network_prefixes[0]),
            HandoffIndicatorOption(indicator=HandoffIndicator.UNKNOWN),
            AccessTechnologyTypeOption(technology=AccessTechnologyType.IEEE_802_3),
            MobileNodeLinkLayerIdentifier(identifier=MN1.link_layer_id), Timestamp.from_seconds(stamp),
        ),
    )  # fmt: skip


class Core:
    """An LmaCore whose commands are looked at by kind."""

    def __init__(self, domain: Domain = DOMAIN, *, settled: bool = True) -> None:
        self.core = LmaCore(domain)
        self.said: list[commands.Command] = list(self.core.start(0.0))
        if settled:
            for switch in ("lma", "lma-transport", *(mag.id for mag in DOMAIN.mags)):
                self.tell(events.SwitchConnected(switch=switch))
            for mag in DOMAIN.mags:
                self.tell(events.AgentConnected(mag_id=mag.id))
                self.notify(mag.id, methods.Synchronised(attached=()))
            self.said += self.core.tick(1.0 + ANCHOR_S)

    def tell(self, event: events.Event, now: float = 1.0) -> list[commands.Command]:
        found = self.core.handle(event, now)
        self.said += found
        return found

    def notify(self, mag_id: str, call: Any, now: float = 1.0) -> list[commands.Command]:
        return self.tell(events.AgentNotified(mag_id=mag_id, call=call), now)

    def register(self, message: ProxyBindingUpdate, source: IPv6Address = MAG1, now: float = 1.0) -> list[Any]:
        event = events.ProxyBindingUpdateReceived(
            update=message, source=source, received_at=WALL + now - 1.0, reply_to="there"
        )
        return self.tell(event, now)

    def attach(self, mag_id: str = "mag1") -> None:
        self.notify(mag_id, methods.MobileNodeAttached(mn_id=MN1.id, access_port="mn1"))
        self.notify(mag_id, methods.MembershipReported(mn_id=MN1.id, memberships=(GROUP,)))

    def confirm(self, switch: str, now: float = 1.0) -> list[commands.Command]:
        wanted = [command for command in self.said if isinstance(command, SetForwarding) and command.switch == switch]
        return self.tell(events.ForwardingConfirmed(switch=switch, generation=wanted[-1].generation), now)

    def bound(self) -> Core:
        """The MN served at mag1, everything confirmed."""
        self.attach()
        self.register(pbu())
        for switch in ("lma", "mag1"):
            self.confirm(switch)
        self.said += self.core.tick(1.5)  # the multicast network hears of the group a second time
        return self


def kinds(found: list[commands.Command], *wanted: type) -> list[commands.Command]:
    return [command for command in found if isinstance(command, wanted)]


# --- start --------------------------------------------------------------------------------------------------------


def test_signalling_is_wanted_at_once_and_forwarding_is_not() -> None:
    core = Core(settled=False)
    assert [command.intent for command in core.said if isinstance(command, SetForwarding)] == [
        SignallingIntent(lma_address=LMA)
    ]
    core.attach()
    core.register(pbu())
    assert not [command for command in core.said
                if isinstance(command, SetForwarding) and isinstance(command.intent, ForwardingIntent)]
    assert not kinds(core.said, SendProxyBindingAcknowledgement)


def test_it_settles_when_all_have_told_everything() -> None:
    core = Core()
    wanted = {command.switch for command in core.said if isinstance(command, SetForwarding)}
    assert wanted == {"lma", "lma-transport", "mag1", "mag2", "mag3"}
    assert core.core.next_deadline() is None


def test_it_settles_late_without_those_who_say_nothing() -> None:
    core = Core(settled=False)
    for switch in ("lma", "mag1"):
        core.tell(events.SwitchConnected(switch=switch), 0.1)
    core.register(pbu())
    assert core.core.next_deadline() == SETTLE_S
    # Make before break: the LMA feeds whoever needs it before a MAG stops anything.
    first = core.core.tick(SETTLE_S)
    assert {command.switch for command in first if isinstance(command, SetForwarding)} == {"lma"}
    then = core.core.tick(SETTLE_S + ANCHOR_S)
    assert {command.switch for command in then if isinstance(command, SetForwarding)} >= {"mag1"}


def test_an_agent_that_serves_somebody_unbound_is_waited_for() -> None:
    """Its PBU is on the way: telling the switches now would take the stream away."""
    core = Core(settled=False)
    for mag in DOMAIN.mags:
        core.tell(events.AgentConnected(mag_id=mag.id))
    core.attach()
    core.notify("mag1", methods.Synchronised(attached=(MN1.id,)))
    for mag_id in ("mag2", "mag3"):
        core.notify(mag_id, methods.Synchronised(attached=()))
    assert not [command for command in core.said if isinstance(command, SetForwarding) and command.switch == "mag1"]
    core.register(pbu())
    core.said += core.core.tick(1.0 + ANCHOR_S)
    assert [command for command in core.said if isinstance(command, SetForwarding) and command.switch == "mag1"]


# --- what waits for a switch --------------------------------------------------------------------------------------


def test_pba_waits_for_the_lma_switch() -> None:
    core = Core()
    core.attach()
    assert not kinds(core.register(pbu()), SendProxyBindingAcknowledgement)
    assert not kinds(core.confirm("mag1"), SendProxyBindingAcknowledgement)
    assert len(kinds(core.confirm("lma"), SendProxyBindingAcknowledgement)) == 1


def test_a_repeated_pbu_is_no_reason_to_answer_earlier() -> None:
    core = Core()
    core.attach()
    core.register(pbu())
    assert not kinds(core.register(pbu()), SendProxyBindingAcknowledgement)
    assert len(kinds(core.confirm("lma"), SendProxyBindingAcknowledgement)) == 2


def test_a_refusal_does_not_wait() -> None:
    refused = kinds(Core().register(pbu(stamp=WALL - 9)), SendProxyBindingAcknowledgement)
    assert [command.acknowledgement.status for command in refused] == [156]  # type: ignore[union-attr]


@pytest.mark.parametrize("end", ["refused", "time"])
def test_no_pba_without_the_switch(end: str) -> None:
    core = Core().bound()
    said = core.register(pbu(2, WALL + 1), MAG2, 2.0)
    wanted = [command for command in core.said if isinstance(command, SetForwarding) and command.switch == "lma"]
    core.attach("mag2")
    if end == "refused":
        said += core.tell(
            events.ForwardingFailed(switch="lma", generation=wanted[-1].generation, reason="no"), 2.0
        )
    else:
        said += core.core.tick(3.0)  # the multicast network has heard everything
        assert core.core.next_deadline() == 4.0
        said += core.core.tick(4.0)
    assert not kinds(said, SendProxyBindingAcknowledgement)


def prepare(handover_id: str = "ho1") -> methods.PrepareForwarding:
    return methods.PrepareForwarding(
        handover_id=handover_id, mn_id=MN1.id, previous_mag="mag1", memberships=(GROUP,)
    )


def test_prepare_is_answered_when_the_switch_has_confirmed() -> None:
    core = Core().bound()
    assert not kinds(core.tell(events.AgentRequested(mag_id="mag2", token=5, call=prepare())), RespondToAgent)
    assert core.confirm("mag2") == [RespondToAgent(mag_id="mag2", token=5, result={})]
    assert core.core.snapshot().handovers[0]["state"] == "prepared"


def test_clone_is_answered_when_the_switch_has_confirmed() -> None:
    core = Core().bound()
    clone = methods.CloneGroups(handover_id="ho1", mn_id=MN1.id, new_mag="mag2", memberships=(GROUP,))
    assert not kinds(core.tell(events.AgentRequested(mag_id="mag1", token=6, call=clone)), RespondToAgent)
    assert core.confirm("mag1") == [RespondToAgent(mag_id="mag1", token=6, result={})]
    assert core.core.snapshot().handovers[0]["state"] == "cloned"
    seen = methods.StepReached(handover_id="ho1", mn_id=MN1.id, step=5, name="tunnel data", at=1.0)
    core.tell(events.AgentNotified(mag_id="mag2", call=seen))
    assert core.core.snapshot().handovers[0]["state"] == "forwarding"


def test_the_switch_that_is_waited_for_is_told_first() -> None:
    core = Core().bound()
    core.tell(events.AgentRequested(mag_id="mag2", token=5, call=prepare()))
    core.confirm("mag2")
    clone = methods.CloneGroups(handover_id="ho1", mn_id=MN1.id, new_mag="mag2", memberships=(GROUP,))
    said = core.tell(events.AgentRequested(mag_id="mag1", token=6, call=clone))
    assert [command.switch for command in said if isinstance(command, SetForwarding)] == ["mag1", "lma"]


@pytest.mark.parametrize("switch", ["mag2"])
def test_prepare_is_rejected_with_the_switchs_reason(switch: str) -> None:
    core = Core().bound()
    core.tell(events.AgentRequested(mag_id="mag2", token=5, call=prepare()))
    wanted = [command for command in core.said if isinstance(command, SetForwarding) and command.switch == switch]
    failed = events.ForwardingFailed(switch=switch, generation=wanted[-1].generation, reason="table full")
    rejected = kinds(core.tell(failed), RejectAgent)
    assert rejected == [RejectAgent(mag_id="mag2", token=5, code="unavailable", message="table full")]


def test_prepare_at_a_switch_that_is_away_is_rejected_at_once() -> None:
    core = Core().bound()
    core.tell(events.SwitchDisconnected(switch="mag2"))
    rejected = kinds(core.tell(events.AgentRequested(mag_id="mag2", token=5, call=prepare())), RejectAgent)
    assert [command.code for command in rejected] == ["unavailable"]  # type: ignore[union-attr]


def test_release_is_answered_when_the_rules_are_gone_also_for_the_second_mag() -> None:
    core = Core().bound()
    core.tell(events.AgentRequested(mag_id="mag2", token=5, call=prepare()))
    core.confirm("mag2")
    release = methods.ReleaseForwarding(handover_id="ho1", mn_id=MN1.id, outcome="failed", reason="test")
    core.tell(events.AgentRequested(mag_id="mag1", token=6, call=release))
    second = core.tell(events.AgentRequested(mag_id="mag2", token=7, call=release))
    assert not kinds(second, RespondToAgent), "mag2's switch still has the rules"
    assert core.confirm("mag2") == [RespondToAgent(mag_id="mag2", token=7, result={})]


def test_release_of_an_unknown_handover_is_done_already() -> None:
    release = methods.ReleaseForwarding(handover_id="never", mn_id=MN1.id, outcome="completed")
    core = Core().bound()
    core.confirm("mag2")
    said = core.tell(events.AgentRequested(mag_id="mag2", token=7, call=release))
    assert said == [RespondToAgent(mag_id="mag2", token=7, result={})]


@pytest.mark.parametrize(
    "call",
    [
        replace(prepare(), mn_id="stranger@example.net"),
        replace(prepare(), previous_mag="mag9"),
        replace(prepare(), previous_mag="mag2"),
        methods.DeliverDirectly(handover_id="ho1", mn_id=MN1.id),
        methods.CloneGroups(handover_id="ho1", mn_id=MN1.id, new_mag="mag2", memberships=()),
    ],
)
def test_requests_that_make_no_sense_are_rejected(call: Any) -> None:
    core = Core().bound()
    before = core.core.snapshot().handovers
    rejected = kinds(core.tell(events.AgentRequested(mag_id="mag2", token=5, call=call)), RejectAgent)
    assert [command.code for command in rejected] == ["refused"]  # type: ignore[union-attr]
    assert core.core.snapshot().handovers == before


def test_a_handover_that_nobody_ends_is_ended_by_the_guard() -> None:
    core = Core().bound()
    core.tell(events.AgentRequested(mag_id="mag2", token=5, call=prepare()))
    core.confirm("mag2")
    at = core.core.next_deadline()
    assert at is not None
    said = core.core.tick(at)
    assert core.core.snapshot().handovers[0]["state"] == "failed"
    intents = [command.intent for command in said if isinstance(command, SetForwarding) and command.switch == "mag2"]
    address = DOMAIN.mags[1].address
    assert intents == [ForwardingIntent(takes_mld=True, reports_unforwarded=True, router_address=address)]


def test_a_context_for_groups_that_are_not_allowed_gets_no_rule() -> None:
    strict = replace(DOMAIN, mobile_nodes=(replace(MN1, allowed_groups=()), *DOMAIN.mobile_nodes[1:]))
    for domain, taken in ((DOMAIN, {GROUP.group}), (strict, set())):
        core = Core(domain).bound()
        said = core.tell(events.AgentRequested(mag_id="mag2", token=5, call=prepare()))
        (intent,) = [one.intent for one in said if isinstance(one, SetForwarding) and one.switch == "mag2"]
        assert isinstance(intent, ForwardingIntent)
        assert {one.group for one in intent.replications if ToHandoverBuffer(1) in one.outputs} == taken


def test_a_late_pbu_m_does_not_overwrite_what_the_agent_has_told() -> None:
    core = Core().bound()
    other = GroupMembership(group=IPv6Address("ff1e::999"), filter_mode=FilterMode.EXCLUDE)
    core.notify("mag1", methods.MembershipReported(mn_id=MN1.id, memberships=(other,)))
    core.register(pbu(2, WALL + 1), MAG1, 2.0)
    listeners = core.core.snapshot().listeners
    assert [entry["group"] for view in listeners for entry in view["groups"]] == ["ff1e::999"]


def test_what_a_pbu_m_said_at_a_mag_is_forgotten_with_the_binding() -> None:
    core = Core()
    core.register(pbu(), MAG1)
    core.register(pbu(2, WALL + 1), MAG2, 2.0)
    core.register(pbu(3, WALL + 2, lifetime_s=0), MAG2, 3.0)
    core.core.tick(100.0)
    assert core.core.snapshot().listeners == ()
    assert core.core.snapshot().bindings == ()


# --- hostile input --------------------------------------------------------------------------------------------------


def picture(core: LmaCore) -> Snapshot:
    return replace(core.snapshot(), counters={})


def packet_in(octets: bytes) -> events.Event:
    frame = encode_ethernet(EthernetFrame(destination=bytes(6), source=bytes(6), payload=octets))
    return frame_event(frame, LMA, None, 1, WALL)


def test_an_answer_has_no_routing_header_nor_any_other() -> None:
    """RFC 5213 section 5.3.6: no Type 2 Routing header. The Mobility Header follows the IPv6 header at once."""
    answer = ProxyBindingAcknowledgement(status=BindingStatus.ACCEPTED, sequence=1, lifetime_s=300, options=())
    reply_to = ReplyTo(datapath=None, port=1, neighbour_mac=b"n" * 6, own_mac=b"o" * 6)
    frame = decode_ethernet(answer_frame(answer, LMA, MAG1, reply_to))
    assert (frame.destination, frame.source) == (b"n" * 6, b"o" * 6)
    packet = frame.payload
    assert (packet[0] >> 4, packet[6]) == (6, 135)
    assert (packet[8:24], packet[24:40]) == (LMA.packed, MAG1.packed)
    # Payload Proto, Header Len, MH Type: and the header is all of the payload.
    assert (packet[40], packet[42], len(packet) - 40) == (59, 6, 8 * (packet[41] + 1))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_octets_in_a_packet_in_are_a_counted_drop(octets: bytes) -> None:
    core = Core().bound()
    before = picture(core.core)
    for event in (packet_in(octets), frame_event(octets, LMA, None, 1, WALL)):
        assert isinstance(event, events.MobilityPacketDropped)
        core.tell(event)
    assert picture(core.core) == before
    assert sum(core.core.snapshot().counters.values()) >= 2


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_octets_in_a_mobility_header_are_a_counted_drop(octets: bytes) -> None:
    core = Core().bound()
    before = picture(core.core)
    event = packet_in(encode_ipv6(Ipv6Packet(source=MAG1, destination=LMA, next_header=135, payload=octets)))
    # Once in 65536 times the checksum is right. If it is more often, Hypothesis says that hardly anything is left.
    assume(isinstance(event, events.MobilityPacketDropped))
    core.tell(event)
    assert picture(core.core) == before


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bit_of_a_pbu_turned_is_noticed(data: st.DataObject) -> None:
    packet = bytearray(encode_mobility_packet(pbu(), MAG1, LMA))
    # Not those that no checksum covers: traffic class, flow label, hop limit.
    covered = [*range(4, 7), *range(8, len(packet))]
    packet[data.draw(st.sampled_from(covered))] ^= 1 << data.draw(st.integers(0, 7))
    assert isinstance(packet_in(bytes(packet)), events.MobilityPacketDropped)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_pbu_that_is_well_formed_is_judged_and_can_be_answered(data: st.DataObject) -> None:
    core = Core().bound()
    now = 1.0
    for _ in range(data.draw(st.integers(1, 4))):
        now += 0.1
        message = data.draw(codec_strategies.MESSAGES["proxy_binding_update"])
        assert isinstance(message, ProxyBindingUpdate)
        known = {type(option): option for option in pbu(1, WALL + now - 1.0).options}
        kept = data.draw(st.sets(st.sampled_from(sorted(known, key=str))))
        message = replace(message, options=(*(known[kind] for kind in known if kind in kept), *message.options))
        source = data.draw(st.sampled_from([MAG1, MAG2, IPv6Address("2001:db8::bad")]))
        said = core.register(message, source, now)
        for switch in ("lma", "mag1"):
            said += core.confirm(switch, now)
        for answer in kinds(said, SendProxyBindingAcknowledgement):
            assert isinstance(answer, SendProxyBindingAcknowledgement)
            encode_mobility_packet(answer.acknowledgement, LMA, answer.destination)
    assert len(core.core.snapshot().bindings) <= 1


def test_the_answers_to_nobody_change_nothing() -> None:
    core = Core().bound()
    before = picture(core.core)
    for event in (
        events.AgentAnswered(mag_id="mag1", token="handover.start never", error="no"),
        events.AgentAnswered(mag_id="mag1", token="", error=None),
        events.ForwardingConfirmed(switch="mag3", generation=0),
        events.ForwardingFailed(switch="mag3", generation=0, reason=""),
    ):
        core.tell(event)
    after = picture(core.core)
    assert (after.handovers, after.bindings, after.listeners) == (before.handovers, before.bindings, before.listeners)


@pytest.mark.parametrize("source", ["ff02::1", "::", "2001:db8:ff::99", "2001:db8:ff::1"])
def test_a_stranger_gets_no_answer_and_changes_nothing(source: str) -> None:
    core = Core().bound()
    before = core.core.snapshot()
    said = core.register(pbu(2, WALL + 1), IPv6Address(source), 2.0)
    assert [type(command) for command in said] == [commands.RecordEvent]
    after = core.core.snapshot()
    assert (after.bindings, after.listeners, after.switches) == (before.bindings, before.listeners, before.switches)
    assert after.counters["mobility_dropped.source_is_no_mag"] == 1
