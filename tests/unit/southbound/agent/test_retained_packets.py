# SPDX-License-Identifier: Apache-2.0
"""What the p-MAG keeps for MNs that have left unannounced: bounded, in order, one copy a tunnel."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from southbound.agent.retained_packets import RetainedPackets
from southbound.codec.ipv6 import Ipv6Packet, encode_ipv6
from southbound.mld.membership import FilterMode, GroupMembership
from topology.model import Limits

GROUP, OTHER = IPv6Address("ff1e::101"), IPv6Address("ff1e::102")
SOURCE = IPv6Address("2001:db8:c0::10")
MAG2, MAG3 = IPv6Address("2001:db8:ff::12"), IPv6Address("2001:db8:ff::13")
WANTS = (GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE),)


def packet(number: int, group: IPv6Address = GROUP, source: IPv6Address = SOURCE) -> bytes:
    payload = bytes(8) + number.to_bytes(4, "big")
    return encode_ipv6(Ipv6Packet(source=source, destination=group, next_header=17, payload=payload))


def store(**limits: int) -> RetainedPackets:
    return RetainedPackets(replace(Limits(), **limits))


def test_kept_then_relayed_in_order_then_live() -> None:
    kept = store()
    kept.retain("mn1", WANTS)
    assert kept.on_packet(packet(1), 0.0) == []
    assert kept.on_packet(packet(2), 0.1) == []
    assert kept.relay("mn1", MAG2, 0.2) == [(MAG2, packet(1)), (MAG2, packet(2))]
    assert kept.on_packet(packet(3), 0.3) == [(MAG2, packet(3))]
    kept.drop("mn1")
    assert kept.is_empty
    assert kept.on_packet(packet(4), 0.4) == []
    assert kept.counters == {"retained": 2, "relayed": 3, "released_unsent": 0}


def test_only_what_is_wanted() -> None:
    kept = store()
    kept.retain("mn1", (GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE, sources=frozenset({SOURCE})),))
    kept.on_packet(packet(1), 0.0)
    kept.on_packet(packet(2, group=OTHER), 0.0)
    kept.on_packet(packet(3, source=IPv6Address("2001:db8:c0::77")), 0.0)
    kept.on_packet(b"", 0.0)
    kept.on_packet(bytes(40), 0.0)
    assert [octets for _, octets in kept.relay("mn1", MAG2, 0.0)] == [packet(3, source=IPv6Address("2001:db8:c0::77"))]


def test_two_at_one_mag_get_one_copy_and_at_two_mags_one_each() -> None:
    kept = store()
    for mn_id in ("mn1", "mn2", "mn3"):
        kept.retain(mn_id, WANTS)
    kept.on_packet(packet(1), 0.0)
    assert kept.relay("mn1", MAG2, 0.0) == [(MAG2, packet(1))]
    assert kept.on_packet(packet(2), 0.0) == [(MAG2, packet(2))]
    assert kept.relay("mn2", MAG2, 0.0) == []
    assert kept.relay("mn3", MAG3, 0.0) == [(MAG3, packet(1)), (MAG3, packet(2))]
    assert kept.on_packet(packet(3), 0.0) == [(MAG2, packet(3)), (MAG3, packet(3))]


def test_every_bound_drops_the_oldest() -> None:
    octets = len(packet(0))
    for limits in (
        {"buffer_packets_per_mobile_node": 3}, {"buffer_bytes_per_mobile_node": 3 * octets},
        {"buffer_bytes_total": 3 * octets},
    ):
        kept = store(**limits)
        kept.retain("mn1", WANTS)
        for number in range(5):
            kept.on_packet(packet(number), 0.0)
        assert [sent for _, sent in kept.relay("mn1", MAG2, 0.0)] == [packet(2), packet(3), packet(4)]
        assert kept.counters["overflow_dropped"] == 2


def test_what_is_too_old_is_not_sent() -> None:
    kept = store(buffer_age_ms=100)
    kept.retain("mn1", WANTS)
    kept.on_packet(packet(1), 0.0)
    kept.on_packet(packet(2), 0.09)
    assert kept.relay("mn1", MAG2, 0.11) == [(MAG2, packet(2))]
    assert kept.counters["expired_dropped"] == 1


def test_nobody_absent_nothing_sent() -> None:
    kept = store()
    assert kept.relay("mn1", MAG2, 0.0) == []
    kept.drop("mn1")
    assert kept.is_empty


@given(
    st.lists(
        st.tuples(st.sampled_from(["retain", "relay", "drop", "packet"]), st.sampled_from(["mn1", "mn2", "mn3"])),
        max_size=60,
    ),
    st.integers(1, 5),
)
def test_a_mag_never_gets_a_packet_twice_nor_out_of_order_for_one_mobile_node(
    script: list[tuple[str, str]], cap: int
) -> None:
    kept = store(buffer_packets_per_mobile_node=cap)
    numbers, sent = 0, list[tuple[IPv6Address, bytes]]()
    relaying: set[str] = set()
    absent: set[str] = set()
    for what, mn_id in script:
        relayed = []
        match what:
            case "retain":
                kept.retain(mn_id, WANTS)
                absent.add(mn_id)
                relaying.discard(mn_id)
            case "relay":
                relaying |= {mn_id} & absent
                relayed = kept.relay(mn_id, MAG2, 0.0)
                assert [octets for _, octets in relayed] == sorted(octets for _, octets in relayed)
            case "drop":
                kept.drop(mn_id)
                absent.discard(mn_id)
                relaying.discard(mn_id)
            case "packet":
                numbers += 1
                relayed = kept.on_packet(packet(numbers), 0.0)
        # With the last of its MNs a MAG's part is over: who comes later gets all that is kept for it.
        sent = [*sent, *relayed] if relaying else []
        assert len(set(sent)) == len(sent)
