# SPDX-License-Identifier: Apache-2.0
"""Reports that a Linux 6.18 host sent, against what its programs had asked the kernel for.

Captured on a veth in a network namespace: the ICMPv6 octets of every report with a source address, and when it was
seen. A program joined and left with MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP, MCAST_BLOCK_SOURCE and so on, three
seconds apart; at 19.04 and 31.54 a General Query asked with 1 s maximum response. The last two messages are of the
same host with force_mld_version=1.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from southbound.codec.cursor import Cursor
from southbound.codec.records import decode_records
from southbound.mld.effects import Effect, IgnoreReason, RecordIgnored
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.router import RouterLink

CAPTURE: list[tuple[float, str]] = [
    (2.74, "8f0071e70000000104000000ff0200000000000000000001ff000011"),
    (3.70, "8f0071e70000000104000000ff0200000000000000000001ff000011"),
    (4.05, "8f006fdd0000000104000000ff1e0000000000000000000000000101"),
    (5.01, "8f006fdd0000000104000000ff1e0000000000000000000000000101"),
    (7.05, "8f00c1280000000105000001ff3e000000000000000000008000000120010db800c00000000000000000000a"),
    (7.28, "8f00c1280000000105000001ff3e000000000000000000008000000120010db800c00000000000000000000a"),
    (10.05, "8f00c1270000000105000001ff3e000000000000000000008000000120010db800c00000000000000000000b"),
    (10.14, "8f00c1270000000105000001ff3e000000000000000000008000000120010db800c00000000000000000000b"),
    (13.05, "8f003f490000000106000001ff1e000000000000000000000000010120010db800c00000000000000000000a"),
    (13.25, "8f003f490000000106000001ff1e000000000000000000000000010120010db800c00000000000000000000a"),
    (16.05, "8f0040490000000105000001ff1e000000000000000000000000010120010db800c00000000000000000000a"),
    (16.79, "8f0040490000000105000001ff1e000000000000000000000000010120010db800c00000000000000000000a"),
    (19.05, "8f00c0280000000106000001ff3e000000000000000000008000000120010db800c00000000000000000000a"),
    (19.60, "8f00c0280000000106000001ff3e000000000000000000008000000120010db800c00000000000000000000a"),
    (19.89,
     "8f00c2c70000000301000001ff3e000000000000000000008000000120010db800c00000000000000000000b02000000"
     "ff1e000000000000000000000000010102000000ff0200000000000000000001ff000011"),
    (22.05, "8f0070dd0000000103000000ff1e0000000000000000000000000101"),
    (22.21, "8f0070dd0000000103000000ff1e0000000000000000000000000101"),
    (25.05, "8f0040470000000105000001ff1e000000000000000000000000010120010db800c00000000000000000000c"),
    (26.07, "8f0040470000000105000001ff1e000000000000000000000000010120010db800c00000000000000000000c"),
    (31.05, "8f006fdd0000000104000000ff1e0000000000000000000000000101"),
    (31.48, "8f006fdd0000000104000000ff1e0000000000000000000000000101"),
    (32.05,
     "8f00c2c70000000302000000ff1e000000000000000000000000010101000001ff3e0000000000000000000080000001"
     "20010db800c00000000000000000000b02000000ff0200000000000000000001ff000011"),
    (34.05, "8f0042470000000103000001ff1e000000000000000000000000010120010db800c00000000000000000000c"),
    (34.90, "8f0042470000000103000001ff1e000000000000000000000000010120010db800c00000000000000000000c"),
    (37.05,
     "8f008b5c0000000206000001ff3e000000000000000000008000000120010db800c00000000000000000000b06000001"
     "ff1e000000000000000000000000010120010db800c00000000000000000000c"),
    (37.36,
     "8f008b5c0000000206000001ff3e000000000000000000008000000120010db800c00000000000000000000b06000001"
     "ff1e000000000000000000000000010120010db800c00000000000000000000c"),
    (40.12, "83007edb00000000ff1e0000000000000000000000000101"),
    (43.12, "84007ef600000000ff1e0000000000000000000000000101"),
]

ASM, SSM = IPv6Address("ff1e::101"), IPv6Address("ff3e::8000:1")
A, B, C = (IPv6Address(f"2001:db8:c0::{letter}") for letter in "abc")


def include(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.INCLUDE, sources=frozenset(sources))


def exclude(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.EXCLUDE, sources=frozenset(sources))


WANTED_AT: list[tuple[float, tuple[GroupMembership, ...]]] = [
    (4.0, ()),
    (7.0, (exclude(ASM),)),
    (10.0, (exclude(ASM), include(SSM, A))),
    (13.0, (exclude(ASM), include(SSM, A, B))),
    (16.0, (exclude(ASM, A), include(SSM, A, B))),
    (19.0, (exclude(ASM), include(SSM, A, B))),
    (22.0, (exclude(ASM), include(SSM, B))),
    (25.0, (include(SSM, B),)),
    (31.0, (include(ASM, C), include(SSM, B))),
    (34.0, (exclude(ASM), include(SSM, B))),
    (37.0, (include(ASM, C), include(SSM, B))),
    (40.0, ()),
    (43.0, (exclude(ASM),)),
    (46.0, ()),
]
"""What the host's sockets wanted together, just before the program's next step."""


def hear(node: RouterLink, octets: bytes, now: float) -> list[Effect]:
    if octets[0] == 143:
        return node.on_report(decode_records(Cursor(octets[4:]), records_max=50, sources_max=62), now)
    group = IPv6Address(octets[8:24])
    return node.on_mldv1_report(group, now) if octets[0] == 131 else node.on_mldv1_done(group, now)


def test_router_follows_the_host() -> None:
    node = RouterLink()
    effects: list[Effect] = []
    waiting = list(CAPTURE)
    for until, wanted in WANTED_AT:
        while waiting and waiting[0][0] < until:
            now, octets = waiting.pop(0)
            effects += hear(node, bytes.fromhex(octets), now)
        node.tick(until)
        assert node.memberships() == wanted
    assert not waiting
    ignored = {effect.reason for effect in effects if isinstance(effect, RecordIgnored)}
    assert ignored == {IgnoreReason.LINK_SCOPE}
