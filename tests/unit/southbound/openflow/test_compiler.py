# SPDX-License-Identifier: Apache-2.0
"""What compiled rules do to packets, asked of a simulated switch; and what the compiler refuses."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.codec.ethernet import multicast_mac
from southbound.openflow import replication as replication_table
from southbound.openflow.compiler import compile_intent
from southbound.openflow.intents import (
    AccessLink,
    ForwardingIntent,
    FromHandoverBuffer,
    FromMag,
    Ingress,
    LmaTunnel,
    MagTunnels,
    Output,
    PeerTunnel,
    Replication,
    SignallingIntent,
    SourceNetwork,
    SwitchRole,
    ToAccess,
    ToDestination,
    ToHandoverBuffer,
    ToLma,
    ToMag,
    ToSourceNetwork,
    Unicast,
    Uplink,
)
from southbound.openflow.rules import (
    COOKIE,
    OWNED_GROUP_BIT,
    FlowRule,
    Match,
    OpenFlowInvariantError,
    OutputPort,
    SwitchRules,
)
from southbound.path_mark import NATIVE_PATH, native_path, path_index
from tests.support.switch_simulator import CONTROLLER, Packet, Sent, SwitchSimulator

LMA_KEY, MAG_KEY = 1, 2
ACCESS_MAC = bytes.fromhex("02ca57ffff01")
LMA_ADDRESS = IPv6Address("2001:db8:ff::1")
MAG1, MAG2, MAG3 = (IPv6Address(f"2001:db8:ff::1{index}") for index in (1, 2, 3))
GROUP = IPv6Address("ff1e::101")
SOURCE = IPv6Address("2001:db8:c0::10")
OTHER_SOURCE = IPv6Address("2001:db8:c0::66")
NATIVE = LmaTunnel(LMA_ADDRESS)
FROM_MAG1 = PeerTunnel(MAG1, 1)


def role(kind: str) -> SwitchRole:
    return SwitchRole(name=kind, kind=kind, lma_gre_key=LMA_KEY, mag_gre_key=MAG_KEY, access_mac=ACCESS_MAC)


def copy(
    ingress: Ingress, *outputs: Output, source: IPv6Address | None = None, group: IPv6Address = GROUP
) -> Replication:
    return Replication(ingress=ingress, source=source, group=group, outputs=frozenset(outputs))


def rules_of(kind: str, *replications: Replication) -> SwitchRules:
    return compile_intent(ForwardingIntent(replications=frozenset(replications)), role(kind))


def switch(kind: str, *replications: Replication) -> SwitchSimulator:
    return SwitchSimulator.of(rules_of(kind, *replications))


def native(
    source: IPv6Address = SOURCE, group: IPv6Address = GROUP, *, hop_limit: int = 64, key: int = LMA_KEY
) -> Packet:
    return Packet(
        in_port="lma0", tunnel_key=key, tunnel_source=LMA_ADDRESS, ipv6_source=source, ipv6_destination=group,
        hop_limit=hop_limit,
    )


def tunnelled(peer: IPv6Address = MAG1, *, key: int = MAG_KEY) -> Packet:
    return Packet(
        in_port="mag0", tunnel_key=key, tunnel_source=peer, ipv6_source=SOURCE, ipv6_destination=GROUP
    )


def ports(sent: list[Sent]) -> list[str]:
    return [port for port, _ in sent]


class TestLma:
    def test_copies_a_stream_once_into_the_tunnel_of_each_mag(self) -> None:
        sent = switch("lma", copy(SourceNetwork(), ToMag(MAG1), ToMag(MAG2))).inject(
            Packet(in_port="src0", ipv6_source=SOURCE, ipv6_destination=GROUP)
        )
        assert [(port, packet.tunnel_destination, packet.tunnel_key, packet.hop_limit) for port, packet in sent] == [
            ("mag0", MAG1, LMA_KEY, 63), ("mag0", MAG2, LMA_KEY, 63),
        ]

    def test_keeps_what_comes_by_a_tunnel_to_itself(self) -> None:
        assert switch("lma", copy(SourceNetwork(), ToMag(MAG1))).inject(tunnelled()) == []


class TestHandoverAtThePreviousMag:
    def test_before_only_the_listener_hears(self) -> None:
        [(port, packet)] = switch("mag", copy(NATIVE, ToAccess("mn1"))).inject(native())
        assert (port, packet.eth_source, packet.hop_limit) == ("mn1", ACCESS_MAC, 63)
        assert packet.eth_destination == bytes.fromhex("333300000101")  # RFC 2464 section 7

    def test_during_one_clone_goes_to_the_new_mag_and_the_listener_still_hears(self) -> None:
        sent = switch("mag", copy(NATIVE, ToAccess("mn1"), ToMag(MAG2))).inject(native())
        assert ports(sent) == ["mag0", "mn1"]
        assert (sent[0][1].tunnel_destination, sent[0][1].tunnel_key) == (MAG2, MAG_KEY)

    def test_after_nothing_leaves(self) -> None:
        assert switch("mag").inject(native()) == []


class TestHandoverAtTheNewMag:
    def test_tunnel_and_native_packets_reach_the_buffer_with_their_path_marked(self) -> None:
        new_mag = switch("mag", copy(NATIVE, ToHandoverBuffer()), copy(FROM_MAG1, ToHandoverBuffer()))
        for packet, path in ((native(), NATIVE_PATH), (tunnelled(), 1)):
            [(port, seen)] = new_mag.inject(packet)
            assert (port, path_index(seen.eth_source)) == ("hob0", path)
            assert seen.eth_destination == multicast_mac(GROUP)

    def test_of_two_native_copies_each_says_for_whom_it_is(self) -> None:
        sent = switch("mag", copy(NATIVE, ToHandoverBuffer(1), ToHandoverBuffer(7))).inject(native())
        assert [port for port, _ in sent] == ["hob0", "hob0"]
        assert {path_index(seen.eth_source) for _, seen in sent} == {native_path(0), native_path(6)}

    def test_after_the_join_the_switch_alone_delivers(self) -> None:
        new_mag = switch("mag", copy(NATIVE, ToAccess("mn1")))
        assert ports(new_mag.inject(native())) == ["mn1"]
        assert new_mag.inject(tunnelled()) == []

    def test_only_the_expected_peer_and_key_are_taken(self) -> None:
        new_mag = switch("mag", copy(FROM_MAG1, ToHandoverBuffer()), copy(NATIVE, ToAccess("mn1")))
        assert new_mag.inject(tunnelled(MAG3)) == []
        assert new_mag.inject(tunnelled(key=LMA_KEY)) == []
        assert new_mag.inject(native(key=MAG_KEY)) == []

    def test_a_relayed_copy_goes_on_to_the_next_mag_but_never_back(self) -> None:
        sent = switch("mag", copy(FROM_MAG1, ToMag(MAG1), ToMag(MAG3))).inject(tunnelled())
        assert [(port, packet.tunnel_destination) for port, packet in sent] == [("mag0", MAG3)]
        assert switch("mag", copy(FROM_MAG1, ToMag(MAG1))).inject(tunnelled()) == []


class TestSources:
    def test_source_specific_entry_beats_any_source(self) -> None:
        both, one = copy(NATIVE, ToAccess("a"), ToAccess("b")), copy(NATIVE, ToAccess("b"), source=OTHER_SOURCE)
        mag = switch("mag", both, one)
        assert ports(mag.inject(native(SOURCE))) == ["a", "b"]
        assert ports(mag.inject(native(OTHER_SOURCE))) == ["b"]

    def test_excluded_source_is_dropped(self) -> None:
        mag = switch("mag", copy(NATIVE, ToAccess("a")), copy(NATIVE, source=OTHER_SOURCE))
        assert mag.inject(native(OTHER_SOURCE)) == []
        assert ports(mag.inject(native(SOURCE))) == ["a"]

    def test_source_that_nobody_includes_and_group_that_nobody_joined_are_dropped(self) -> None:
        mag = switch("mag", copy(NATIVE, ToAccess("a"), source=SOURCE))
        assert mag.inject(native(OTHER_SOURCE)) == []
        assert mag.inject(native(SOURCE, IPv6Address("ff1e::102"))) == []

    @pytest.mark.parametrize(("hop_limit", "delivered"), [(2, ["a"]), (1, []), (0, [])])
    def test_hop_limit_ends(self, hop_limit: int, delivered: list[str]) -> None:
        assert ports(switch("mag", copy(NATIVE, ToAccess("a"))).inject(native(hop_limit=hop_limit))) == delivered


class TestSignalling:
    def test_mobility_headers_for_the_lma_go_to_the_controller_ahead_of_all_else(self) -> None:
        simulator = SwitchSimulator.of(compile_intent(SignallingIntent(lma_address=LMA_ADDRESS), role("lma-transport")))
        own = FlowRule(table_id=0, priority=0xFFFE, match=Match())  # stands for any rule of the bridge's own
        simulator.flows[own.key] = own
        packet = Packet(in_port="eth0", ipv6_source=MAG1, ipv6_destination=LMA_ADDRESS, ip_proto=135)
        assert ports(simulator.inject(packet)) == [CONTROLLER]
        for other in (
            Packet(in_port="eth0", ipv6_source=MAG1, ipv6_destination=LMA_ADDRESS, ip_proto=47),
            Packet(in_port="eth0", ipv6_source=MAG1, ipv6_destination=MAG2, ip_proto=135),
        ):
            assert simulator.inject(other) == []


class TestIds:
    def test_same_in_another_process(self) -> None:
        """Hash randomisation and set order must not show in ids: a restarted controller has to recognise its rules."""
        code = (
            "from tests.unit.southbound.openflow.test_compiler import *\n"
            "rules = rules_of('mag', copy(NATIVE, ToAccess('mn1'), ToMag(MAG2)))\n"
            "print(sorted((g.group_id, sorted(b.bucket_id for b in g.buckets)) for g in rules.groups))"
        )
        runs = {
            subprocess.run(
                [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
                capture_output=True, text=True, check=True,
            ).stdout
            for seed in ("1", "2")
        }
        rules = rules_of("mag", copy(NATIVE, ToAccess("mn1"), ToMag(MAG2)))
        [group] = rules.groups
        assert runs == {f"{[(group.group_id, sorted(b.bucket_id for b in group.buckets))]}\n"}

    def test_group_id_does_not_depend_on_who_listens(self) -> None:
        [one] = rules_of("mag", copy(NATIVE, ToAccess("mn1"))).groups
        [two] = rules_of("mag", copy(NATIVE, ToAccess("mn1"), ToAccess("mn2"))).groups
        assert one.group_id == two.group_id
        assert one.buckets < two.buckets

    @given(st.sampled_from([NATIVE, FROM_MAG1, SourceNetwork()]), st.integers(0, 2**112 - 1))
    def test_group_ids_are_ours_and_allowed(self, ingress: Ingress, low: int) -> None:
        number = replication_table.group_id(ingress, None, IPv6Address((0xFF1E << 112) + low))
        assert number & OWNED_GROUP_BIT
        assert number <= 0xFFFFFF00  # OFPG_MAX

    def test_cookie_and_group_bit_do_not_change(self) -> None:
        """Another value would make the rules of a running lab look like somebody else's."""
        assert (COOKIE, OWNED_GROUP_BIT) == (0x00CA570000000001, 0x80000000)


class TestRefused:
    @pytest.mark.parametrize(("kind", "replication"), [
        ("lma", copy(NATIVE, ToMag(MAG1))),
        ("lma", copy(SourceNetwork(), ToAccess("mn1"))),
        ("lma", copy(SourceNetwork(), ToHandoverBuffer())),
        ("mag", copy(SourceNetwork(), ToAccess("mn1"))),
        ("lma-transport", copy(NATIVE, ToAccess("mn1"))),
        ("router", copy(NATIVE, ToAccess("mn1"))),
        ("mag", copy(NATIVE, ToAccess("mn1"), group=SOURCE)),
    ])
    def test_what_no_such_switch_can_do(self, kind: str, replication: Replication) -> None:
        with pytest.raises(OpenFlowInvariantError):
            rules_of(kind, replication)

    def test_signalling_on_an_integration_switch(self) -> None:
        with pytest.raises(OpenFlowInvariantError):
            compile_intent(SignallingIntent(lma_address=LMA_ADDRESS), role("mag"))

    def test_two_replications_of_one_stream(self) -> None:
        with pytest.raises(OpenFlowInvariantError, match="two replications"):
            rules_of("mag", copy(NATIVE, ToAccess("a")), copy(NATIVE, ToAccess("b")))

    def test_two_peers_with_one_path_index(self) -> None:
        with pytest.raises(OpenFlowInvariantError, match="path index"):
            rules_of("mag", copy(FROM_MAG1, ToHandoverBuffer()), copy(PeerTunnel(MAG2, 1), ToHandoverBuffer()))

    def test_equal_ids(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replication_table, "_hash", lambda _content: 7)
        # Nothing that is remembered, and nothing to remember.
        monkeypatch.setattr(replication_table, "_multicast_rules", replication_table._multicast_rules.__wrapped__)
        with pytest.raises(OpenFlowInvariantError, match="bucket id"):
            rules_of("mag", copy(NATIVE, ToAccess("a"), ToAccess("b")))
        with pytest.raises(OpenFlowInvariantError, match="group id"):
            rules_of("mag", copy(NATIVE, ToAccess("a")), copy(FROM_MAG1, ToHandoverBuffer()))


class TestSharedSwitch:
    """A bridge on which somebody else's flows forward, too: here one that floods (as NORMAL may) to a printer."""

    THEIRS = FlowRule(table_id=0, priority=0, match=Match(), actions=(OutputPort(port="printer"),))

    def simulator(self, kind: str, *replications: Replication) -> SwitchSimulator:
        intent = ForwardingIntent(replications=frozenset(replications))
        rules = compile_intent(intent, replace(role(kind), shared=True))
        return SwitchSimulator.of(replace(rules, flows=rules.flows | {self.THEIRS}))

    def test_what_others_ports_bring_is_left_to_them(self) -> None:
        simulator = self.simulator("mag", copy(NATIVE, ToAccess("mn1")))
        assert ports(simulator.inject(replace(native(), in_port="mn1"))) == ["printer"]
        assert ports(simulator.inject(replace(native(), in_port="eth7"))) == ["printer"]

    def test_what_our_ports_bring_goes_where_it_is_wanted_and_nowhere_else(self) -> None:
        simulator = self.simulator("mag", copy(NATIVE, ToAccess("mn1")))
        assert ports(simulator.inject(native())) == ["mn1"]
        unwanted = [native(key=7), native(group=IPv6Address("ff1e::9")), tunnelled(), replace(native(), in_port="hob0")]
        assert [simulator.inject(packet) for packet in unwanted] == [[], [], [], []]

    def test_at_the_lma_the_source_port_is_ours(self) -> None:
        simulator = self.simulator("lma", copy(SourceNetwork(), ToMag(MAG1)))
        assert ports(simulator.inject(replace(native(), in_port="src0", tunnel_key=0))) == ["mag0"]
        assert simulator.inject(replace(native(group=IPv6Address("ff1e::9")), in_port="src0", tunnel_key=0)) == []
        assert ports(simulator.inject(replace(native(), in_port="eth7"))) == ["printer"]

    def test_with_nobody_listening_nothing_of_ours_reaches_others(self) -> None:
        assert self.simulator("mag").inject(native()) == []


HOME = IPv6Network("2001:db8:100:1::/64")
MN_MAC = bytes.fromhex("020000000011")


def to_home(ingress: Ingress, *outputs: Output, prefix: IPv6Network = HOME) -> Unicast:
    return Unicast(ingress=ingress, prefix=prefix, link_layer_id=MN_MAC, outputs=frozenset(outputs))


class TestUnicast:
    """Where packets come out of whole domains is asked in tests/unit/controller/test_unicast_forwarding.py."""

    def test_id_of_a_group_stays_when_the_way_changes(self) -> None:
        before, after = (
            compile_intent(ForwardingIntent(unicast=frozenset({to_home(NATIVE, output)})), role("mag"))
            for output in (ToAccess("mn1"), ToHandoverBuffer())
        )
        assert {group.group_id for group in before.groups} == {group.group_id for group in after.groups}
        assert before.flows == after.flows
        assert before.groups != after.groups

    def test_a_host_is_asked_before_a_network(self) -> None:
        host = IPv6Network("2001:db8:100:1::9/128")
        intent = ForwardingIntent(
            unicast=frozenset({
                to_home(MagTunnels(), ToMag(MAG1)), to_home(MagTunnels(), ToSourceNetwork(), prefix=host),
            }),
            uplinks=frozenset({Uplink(ingress=FromMag(MAG1), prefix=HOME, output=ToDestination())}),
        )
        lma = SwitchSimulator.of(compile_intent(intent, role("lma")))
        packet = Packet(
            in_port="mag0", tunnel_key=LMA_KEY, tunnel_source=MAG1, ipv6_source=HOME[1],
            ipv6_destination=host.network_address,
        )
        assert [port for port, _ in lma.inject(packet)] == ["src0"]

    @pytest.mark.parametrize(("kind", "intent"), [
        ("mag", ForwardingIntent(unicast=frozenset({to_home(NATIVE, ToSourceNetwork())}))),
        ("mag", ForwardingIntent(unicast=frozenset({to_home(NATIVE, prefix=IPv6Network("ff1e::/64"))}))),
        ("mag", ForwardingIntent(router=LMA_ADDRESS)),
        ("mag", ForwardingIntent(uplinks=frozenset({
            Uplink(ingress=AccessLink("mn1", MN_MAC), prefix=HOME, output=ToDestination()),
        }))),
        ("mag", ForwardingIntent(uplinks=frozenset({
            Uplink(ingress=FromHandoverBuffer(), prefix=HOME, output=ToHandoverBuffer()),
        }))),
        ("lma", ForwardingIntent(uplinks=frozenset({
            Uplink(ingress=AccessLink("mn1", MN_MAC), prefix=HOME, output=ToLma()),
        }))),
        ("mag", ForwardingIntent(unicast=frozenset({
            to_home(NATIVE, ToAccess("mn1")), to_home(NATIVE, ToAccess("mn2")),
        }))),
    ])
    def test_what_no_switch_of_that_kind_can_do(self, kind: str, intent: ForwardingIntent) -> None:
        with pytest.raises(OpenFlowInvariantError):
            compile_intent(intent, role(kind))
