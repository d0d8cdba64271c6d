# SPDX-License-Identifier: Apache-2.0
"""Bindings, listeners and handovers -> intents, judged by where packets come out of a switch with these rules."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.binding_cache import BindingCache, BindingCacheEntry, BindingState
from controller.forwarding import lma_intent, lma_wants, mag_intent, note_fed
from controller.handover import Handover, HandoverState, HandoverTable
from controller.multicast import Listeners
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.openflow.compiler import compile_intent
from southbound.openflow.intents import ForwardingIntent, SwitchRole
from southbound.path_mark import native_place, path_index
from tests.support.domains import three_mags
from tests.support.switch_simulator import Packet, Sent, SwitchSimulator
from topology.model import LMA_LINK_LOCAL_ADDRESS, MAG_ACCESS_MAC

DOMAIN = three_mags()
MAG1, MAG2, MAG3 = DOMAIN.mags
MN1, MN2 = (node.id for node in DOMAIN.mobile_nodes)
PREFIXES = {node.id: node.home_network_prefixes for node in DOMAIN.mobile_nodes}
ASM, SSM = IPv6Address("ff1e::101"), IPv6Address("ff3e::8000:1")
S1, S2, S3 = (IPv6Address(f"2001:db8:c0::{number}") for number in (1, 2, 3))


def wants(group: IPv6Address, *sources: IPv6Address, exclude: bool = False) -> GroupMembership:
    mode = FilterMode.INCLUDE if sources and not exclude else FilterMode.EXCLUDE
    return GroupMembership(group=group, filter_mode=mode, sources=frozenset(sources))

NOTHING = ForwardingIntent(takes_mld=True, reports_unforwarded=True)


class World:
    """Bindings, listeners and handovers, filled by hand."""

    def __init__(self) -> None:
        self.cache, self.listeners, self.handovers = BindingCache(), Listeners(), HandoverTable(100)

    def bind(self, mn_id: str, mag_id: str, state: BindingState = BindingState.ACTIVE) -> None:
        self.cache.put(
            BindingCacheEntry(
                mn_id=mn_id, home_network_prefixes=PREFIXES[mn_id], mag_id=mag_id,
                proxy_care_of_address=MAG1.address, link_layer_id=None, access_technology_type=3, sequence=1,
                timestamp=1.0, lifetime_s=300, expires_at=300.0, state=state, multicast=True,
            )
        )

    def listen(self, mag_id: str, mn_id: str, port: str | None, *memberships: GroupMembership) -> None:
        if port is not None:
            self.listeners.attach(mag_id, mn_id, port)
        self.listeners.report(mag_id, mn_id, memberships)

    def serve(self, mn_id: str, mag_id: str, *memberships: GroupMembership) -> None:
        self.bind(mn_id, mag_id)
        self.listen(mag_id, mn_id, mn_id.partition("@")[0], *memberships)

    def hand_over(self, mn_id: str, previous: str, new: str, **fields: object) -> Handover:
        handover = Handover(
            handover_id=f"{mn_id} {new}", mn_id=mn_id, previous_mag=previous, new_mag=new, trigger="rest",
            state=HandoverState.FORWARDING, guard=100.0,
        )
        for name, value in fields.items():
            setattr(handover, name, value)
        self.handovers.add(handover)
        return handover

    def lma_intent(self) -> ForwardingIntent:
        return lma_intent(DOMAIN, lma_wants(DOMAIN, self.cache, self.listeners, self.handovers))

    def lma(self, group: IPv6Address, source: IPv6Address) -> list[str]:
        return _sent(self.lma_intent(), "lma", Packet(in_port="src0", ipv6_source=source, ipv6_destination=group))

    def native(self, mag_id: str, group: IPv6Address, source: IPv6Address) -> list[str]:
        return _sent(self.intent(mag_id), "mag", _native(group, source))

    def kept_for(self, mag_id: str, group: IPv6Address, source: IPv6Address) -> list[str]:
        """MN-IDs for which there is a copy to the buffer."""
        frames = [frame for port, frame in _copies(self.intent(mag_id), "mag", _native(group, source)) if port == "hob0"]
        places = [native_place(index) for frame in frames if (index := path_index(frame.eth_source)) is not None]
        return sorted(DOMAIN.mobile_nodes[place].id for place in places if place is not None)

    def tunnel(self, mag_id: str, peer: IPv6Address, group: IPv6Address, source: IPv6Address) -> list[str]:
        packet = Packet(
            in_port="mag0", ipv6_source=source, ipv6_destination=group, tunnel_key=DOMAIN.mag_gre_key,
            tunnel_source=peer,
        )
        return _sent(self.intent(mag_id), "mag", packet)

    def intent(self, mag_id: str) -> ForwardingIntent:
        mag = DOMAIN.mag(mag_id)
        assert mag is not None
        return mag_intent(mag, DOMAIN, self.cache, self.listeners, self.handovers)


def _native(group: IPv6Address, source: IPv6Address) -> Packet:
    return Packet(in_port="lma0", ipv6_source=source, ipv6_destination=group, tunnel_key=DOMAIN.lma_gre_key)


def _copies(intent: ForwardingIntent, kind: str, packet: Packet) -> list[Sent]:
    role = SwitchRole(
        name=kind, kind=kind, lma_gre_key=DOMAIN.lma_gre_key, mag_gre_key=DOMAIN.mag_gre_key,
        access_mac=MAG_ACCESS_MAC,
    )
    return SwitchSimulator.of(compile_intent(intent, role)).inject(packet)


def _sent(intent: ForwardingIntent, kind: str, packet: Packet) -> list[str]:
    sent = _copies(intent, kind, packet)
    ids = {mag.address: mag.id for mag in DOMAIN.mags}
    return sorted(ids[copy.tunnel_destination] if port == "mag0" else port  # type: ignore[index]
                  for port, copy in sent)


def test_nothing_bound_nothing_forwarded() -> None:
    world = World()
    assert world.lma_intent() == replace(NOTHING, router=LMA_LINK_LOCAL_ADDRESS, router_address=DOMAIN.lma.address)
    assert world.intent("mag1") == replace(NOTHING, router_address=DOMAIN.mags[0].address)


def test_any_source_listener_hears_every_source() -> None:
    world = World()
    world.serve(MN1, "mag1", wants(ASM))
    assert world.lma(ASM, S1) == world.lma(ASM, S2) == ["mag1"]
    assert world.native("mag1", ASM, S1) == ["mn1"]
    assert world.native("mag1", SSM, S1) == []


def test_source_specific_listener_hears_its_sources_only() -> None:
    world = World()
    world.serve(MN1, "mag1", wants(SSM, S1, S2))
    assert [world.lma(SSM, source) for source in (S1, S2, S3)] == [["mag1"], ["mag1"], []]
    assert [world.native("mag1", SSM, source) for source in (S1, S2, S3)] == [["mn1"], ["mn1"], []]


def test_excluded_sources_are_kept_out() -> None:
    world = World()
    world.serve(MN1, "mag1", wants(ASM, S1, exclude=True))
    assert [world.native("mag1", ASM, source) for source in (S1, S2)] == [[], ["mn1"]]
    assert world.lma(ASM, S1) == []


def test_several_listeners_each_get_what_each_wants() -> None:
    world = World()
    world.serve(MN1, "mag1", wants(ASM, S1, exclude=True))
    world.serve(MN2, "mag1", wants(ASM, S1, S2))
    found = [world.native("mag1", ASM, source) for source in (S1, S2, S3)]
    assert found == [["mn2"], ["mn1", "mn2"], ["mn1"]]
    assert [world.lma(ASM, source) for source in (S1, S2, S3)] == [["mag1"]] * 3


def test_one_copy_per_mag_however_many_listen_there() -> None:
    world = World()
    world.serve(MN1, "mag1", wants(ASM))
    world.serve(MN2, "mag1", wants(ASM))
    assert world.lma(ASM, S1) == ["mag1"]
    world.serve(MN2, "mag2", wants(ASM))
    assert world.lma(ASM, S1) == ["mag1", "mag2"]


@pytest.mark.parametrize("state", [None, BindingState.PENDING_DELETE])
def test_without_an_active_binding_nobody_is_served(state: BindingState | None) -> None:
    world = World()
    world.listen("mag1", MN1, "mn1", wants(ASM))
    if state is not None:
        world.bind(MN1, "mag1", state)
    assert (world.lma(ASM, S1), world.native("mag1", ASM, S1)) == ([], [])


def test_bound_and_on_no_link_is_fed_to_the_mag_and_no_further() -> None:
    world = World()
    world.bind(MN1, "mag1")
    world.listen("mag1", MN1, None, wants(ASM))
    assert (world.lma(ASM, S1), world.native("mag1", ASM, S1)) == (["mag1"], [])


def test_prepared_n_mag_takes_the_tunnel_to_the_buffer_and_nothing_to_the_link() -> None:
    world = World()
    world.serve(MN1, "mag1", wants(ASM))
    world.hand_over(MN1, "mag1", "mag2", receiving=(wants(ASM),))
    assert world.tunnel("mag2", MAG1.address, ASM, S1) == ["hob0"]
    assert world.tunnel("mag2", MAG3.address, ASM, S1) == []
    assert world.lma(ASM, S1) == ["mag1"]


def test_clone_leaves_the_other_listeners_alone() -> None:
    world = World()
    world.serve(MN1, "mag1", wants(ASM), wants(SSM, S1))
    world.serve(MN2, "mag1", wants(ASM))
    world.hand_over(MN1, "mag1", "mag2", cloning=(wants(ASM), wants(SSM, S1)))
    assert world.native("mag1", ASM, S1) == ["mag2", "mn1", "mn2"]
    assert world.native("mag1", SSM, S1) == ["mag2", "mn1"]
    assert world.native("mag1", SSM, S2) == []


def test_one_clone_per_tunnel_and_group_however_many_move() -> None:
    world = World()
    for mn_id in (MN1, MN2):
        world.serve(mn_id, "mag1", wants(ASM))
        world.hand_over(mn_id, "mag1", "mag2", cloning=(wants(ASM),))
    assert world.native("mag1", ASM, S1) == ["mag2", "mn1", "mn2"]


def test_two_that_move_to_different_mags_are_cloned_to_both() -> None:
    world = World()
    for mn_id, target in ((MN1, "mag2"), (MN2, "mag3")):
        world.serve(mn_id, "mag1", wants(ASM))
        world.hand_over(mn_id, "mag1", target, cloning=(wants(ASM),))
    assert world.native("mag1", ASM, S1) == ["mag2", "mag3", "mn1", "mn2"]


def test_the_clone_is_fed_although_the_mobile_node_is_bound_elsewhere() -> None:
    world = World()
    world.serve(MN1, "mag2", wants(ASM))
    handover = world.hand_over(MN1, "mag1", "mag2", cloning=(wants(ASM),), receiving=(wants(ASM),))
    assert world.lma(ASM, S1) == ["mag1", "mag2"]
    assert world.native("mag1", ASM, S1) == ["mag2"]
    assert world.native("mag2", ASM, S1) == ["hob0"]
    handover.direct = True
    assert world.native("mag2", ASM, S1) == ["mn1"]
    assert world.tunnel("mag2", MAG1.address, ASM, S1) == ["hob0"]
    handover.release()
    assert world.lma(ASM, S1) == ["mag2"]
    assert world.native("mag1", ASM, S1) == []
    assert world.native("mag2", ASM, S1) == ["mn1"]
    assert world.tunnel("mag2", MAG1.address, ASM, S1) == []


def test_another_listener_at_the_n_mag_is_served_directly_meanwhile() -> None:
    world = World()
    world.serve(MN1, "mag2", wants(ASM))
    world.serve(MN2, "mag2", wants(ASM))
    world.hand_over(MN1, "mag1", "mag2", receiving=(wants(ASM),))
    assert world.native("mag2", ASM, S1) == ["hob0", "mn2"]


def test_each_changes_over_alone_whoever_shares_its_group() -> None:
    world = World()
    world.hand_over(MN1, "mag1", "mag2", receiving=(wants(ASM),), direct=True)
    second = world.hand_over(MN2, "mag1", "mag2", receiving=(wants(ASM),))
    for mn_id in (MN1, MN2):
        world.serve(mn_id, "mag2", wants(ASM))
    assert world.native("mag2", ASM, S1) == ["hob0", "mn1"]
    assert world.kept_for("mag2", ASM, S1) == [MN2]
    second.direct = True
    assert world.native("mag2", ASM, S1) == ["mn1", "mn2"]


def test_one_that_is_not_bound_yet_has_a_copy_of_what_is_fed_for_another() -> None:
    """What is fed here for the first is the second's stream, too: its buffer must not miss any of it later on."""
    world = World()
    world.hand_over(MN1, "mag1", "mag2", receiving=(wants(ASM),))
    second = world.hand_over(MN2, "mag1", "mag2", receiving=(wants(ASM),))
    world.serve(MN1, "mag2", wants(ASM))
    world.serve(MN2, "mag1", wants(ASM))
    assert world.kept_for("mag2", ASM, S1) == [MN1, MN2]
    second.state = HandoverState.FAILED
    assert world.kept_for("mag2", ASM, S1) == [MN1]


def test_what_has_begun_to_come_for_an_expected_node_goes_on_when_who_it_came_for_leaves() -> None:
    world = World()
    first = world.hand_over(MN1, "mag1", "mag2", receiving=(wants(ASM),))
    world.serve(MN2, "mag2", wants(ASM))
    for _ in range(2):
        note_fed(world.lma_intent(), DOMAIN, world.cache, world.handovers.open())
        assert world.lma(ASM, S1) == ["mag2"]
        world.bind(MN2, "mag1")
    first.release()
    assert world.lma(ASM, S1) == []


def test_what_is_relayed_for_one_that_is_back_and_served_by_the_switch_is_not_given_to_it_twice() -> None:
    world = World()
    world.hand_over(MN1, "mag2", "mag3", cloning=(wants(ASM),), relayed=True)
    assert world.kept_for("mag2", ASM, S1) == [MN1]
    world.serve(MN1, "mag2", wants(ASM))
    assert world.native("mag2", ASM, S1) == ["mn1"]


def test_what_the_mobile_node_says_at_the_n_mag_replaces_its_context() -> None:
    world = World()
    world.serve(MN1, "mag2", wants(SSM, S1))
    world.hand_over(MN1, "mag1", "mag2", receiving=(wants(ASM),))
    assert (world.native("mag2", SSM, S1), world.native("mag2", ASM, S1)) == (["hob0"], [])


def test_an_ended_handover_wants_nothing() -> None:
    world = World()
    world.serve(MN1, "mag1", wants(ASM))
    world.hand_over(MN1, "mag1", "mag2", cloning=(wants(ASM),), receiving=(wants(ASM),), state=HandoverState.FAILED)
    assert world.native("mag1", ASM, S1) == ["mn1"]
    assert world.intent("mag2") == replace(NOTHING, router_address=DOMAIN.mags[1].address)


memberships = st.builds(
    lambda group, sources, exclude: wants(group, *sources, exclude=exclude),
    st.sampled_from([ASM, SSM]), st.frozensets(st.sampled_from([S1, S2, S3])), st.booleans(),
)
states = st.lists(memberships, unique_by=lambda membership: membership.group, max_size=2)


@given(states, states, states)
def test_every_packet_goes_to_exactly_those_who_want_it(
    first: list[GroupMembership], second: list[GroupMembership], cloned: list[GroupMembership]
) -> None:
    world = World()
    world.serve(MN1, "mag1", *first)
    world.serve(MN2, "mag1", *second)
    world.hand_over(MN1, "mag1", "mag2", cloning=tuple(cloned))

    def wanted(state: list[GroupMembership], group: IPv6Address, source: IPv6Address) -> bool:
        return any(membership.group == group and membership.wants(source) for membership in state)

    for group in (ASM, SSM):
        for source in (S1, S2, S3, IPv6Address("2001:db8:c0::99")):
            takers = [name for name, state in (("mag2", cloned), ("mn1", first), ("mn2", second))
                      if wanted(state, group, source)]
            assert world.native("mag1", group, source) == takers
            assert world.lma(group, source) == (["mag1"] if takers else [])
