# SPDX-License-Identifier: Apache-2.0
"""What the p-MAG keeps for MNs that have left unannounced: bounded, in order, each under its own key."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from southbound.agent.retained_packets import RetainedPackets
from southbound.codec.ipv6 import Ipv6Packet, encode_ipv6
from southbound.mld.membership import FilterMode, GroupMembership
from topology.settings import Limits

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
    assert kept.on_packet("mn1", packet(1), 0.0) == []
    assert kept.on_packet("mn1", packet(2), 0.1) == []
    assert kept.relay("mn1", MAG2, 7, 0.2) == [((MAG2, 7), packet(1)), ((MAG2, 7), packet(2))]
    assert kept.on_packet("mn1", packet(3), 0.3) == [((MAG2, 7), packet(3))]
    kept.drop("mn1")
    assert not kept.takes_native
    assert kept.on_packet("mn1", packet(4), 0.4) == []
    assert kept.counters == {"retained": 2, "relayed": 3, "released_unsent": 0}


def test_only_what_is_wanted() -> None:
    kept = store()
    kept.retain("mn1", (GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE, sources=frozenset({SOURCE})),))
    kept.on_packet("mn1", packet(1), 0.0)
    kept.on_packet("mn1", packet(2, group=OTHER), 0.0)
    wanted = packet(3, source=IPv6Address("2001:db8:c0::77"))
    kept.on_packet("mn1", wanted, 0.0)
    kept.on_packet("mn1", b"", 0.0)
    kept.on_packet("mn1", bytes(40), 0.0)
    assert [octets for _, octets in kept.relay("mn1", MAG2, None, 0.0)] == [wanted]


def test_two_at_one_mag_get_their_own_each() -> None:
    kept = store()
    for mn_id in ("mn1", "mn2"):
        kept.retain(mn_id, WANTS)
    for mn_id in ("mn1", "mn2", "mn3"):
        kept.on_packet(mn_id, packet(1), 0.0)
    assert kept.relay("mn1", MAG2, 1, 0.0) == [((MAG2, 1), packet(1))]
    assert kept.on_packet("mn1", packet(2), 0.0) == [((MAG2, 1), packet(2))]
    assert kept.relay("mn2", MAG2, 2, 0.0) == [((MAG2, 2), packet(1))], "the second is a copy for the other"
    assert kept.on_packet("mn2", packet(2), 0.0) == [((MAG2, 2), packet(2))]
    assert kept.on_packet("mn3", packet(2), 0.0) == []


def test_what_is_delivered_goes_to_every_mag_that_wants_it() -> None:
    """A mobile node that may go on to one of two: nothing natively, and nothing to the one that is out of it."""
    kept = store()
    kept.retain_deliveries("mn1", "ho1")
    assert not kept.takes_native
    assert kept.on_packet("mn1", packet(1), 0.0) == []
    assert kept.on_delivery("mn2", "ho1", packet(1), 0.0) == []
    assert kept.on_delivery("mn1", "ho1", packet(1), 0.0) == []
    assert kept.relay("mn1", MAG2, 1, 0.0, fed_by="ho1") == [((MAG2, 1), packet(1))]
    assert kept.relay("mn1", MAG3, 1, 0.0, fed_by="ho1") == []
    assert kept.on_delivery("mn1", "ho1", packet(2), 0.0) == [((MAG2, 1), packet(2)), ((MAG3, 1), packet(2))]
    kept.drop("mn1", "ho1", MAG2)
    assert kept.on_delivery("mn1", "ho1", packet(3), 0.0) == [((MAG3, 1), packet(3))]
    kept.drop("mn1", "ho1", MAG3)
    assert kept.on_delivery("mn1", "ho1", packet(4), 0.0) == [], "kept for whoever asks next"
    assert kept.held_bytes == len(packet(4))
    kept.drop("mn1", "ho1")
    assert kept.held_bytes == 0
    assert kept.on_delivery("mn1", "ho1", packet(5), 0.0) == []


def test_every_bound_drops_the_oldest() -> None:
    octets = len(packet(0))
    for limits in (
        {"buffer_packets_per_mobile_node": 3}, {"buffer_bytes_per_mobile_node": 3 * octets},
        {"buffer_bytes_total": 3 * octets},
    ):
        kept = store(**limits)
        kept.retain("mn1", WANTS)
        for number in range(5):
            kept.on_packet("mn1", packet(number), 0.0)
        assert [sent for _, sent in kept.relay("mn1", MAG2, None, 0.0)] == [packet(2), packet(3), packet(4)]
        assert kept.counters["overflow_dropped"] == 2


def test_what_is_too_old_is_not_sent() -> None:
    kept = store(buffer_age_ms=100)
    kept.retain("mn1", WANTS)
    kept.on_packet("mn1", packet(1), 0.0)
    kept.on_packet("mn1", packet(2), 0.09)
    assert kept.relay("mn1", MAG2, None, 0.11) == [((MAG2, None), packet(2))]
    assert kept.counters["expired_dropped"] == 1


def test_nobody_absent_nothing_sent() -> None:
    kept = store()
    assert kept.relay("mn1", MAG2, None, 0.0) == []
    kept.drop("mn1")
    assert not kept.takes_native


@given(
    st.lists(
        st.tuples(st.sampled_from(["retain", "relay", "drop", "packet"]), st.sampled_from(["mn1", "mn2", "mn3"])),
        max_size=60,
    ),
    st.integers(1, 5),
)
def test_nobody_gets_a_packet_twice_nor_out_of_order(script: list[tuple[str, str]], cap: int) -> None:
    kept = store(buffer_packets_per_mobile_node=cap)
    keys = {"mn1": 1, "mn2": 2, "mn3": 3}
    numbers, sent = 0, dict[int | None, list[bytes]]()
    for what, mn_id in script:
        relayed = []
        match what:
            case "retain":
                kept.retain(mn_id, WANTS)
            case "relay":
                relayed = kept.relay(mn_id, MAG2, keys[mn_id], 0.0)
            case "drop":
                kept.drop(mn_id)
            case "packet":
                numbers += 1
                relayed = kept.on_packet(mn_id, packet(numbers), 0.0)
        for (_, key), octets in relayed:
            assert octets not in sent.get(key, [])
            sent.setdefault(key, []).append(octets)
    assert all(octets == sorted(octets) for octets in sent.values())
