# SPDX-License-Identifier: Apache-2.0
"""Where MLD goes at the LMA's switch and at a MAG's, by the table simulator."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from southbound.openflow.compiler import compile_intent
from southbound.openflow.intents import ForwardingIntent, SwitchRole
from southbound.path_mark import NATIVE_PATH, path_mac
from tests.support.switch_simulator import CONTROLLER, Packet, SwitchSimulator, addressed

QUERY, V1_REPORT, V1_DONE, V2_REPORT, ECHO = 130, 131, 132, 143, 128
LINK_LOCAL, ALL_NODES, ALL_ROUTERS = (IPv6Address(text) for text in ("fe80::1", "ff02::1", "ff02::16"))


def sent(kind: str, in_port: str, icmpv6_type: int | None, *, shared: bool = False, **fields: Any) -> list[str]:
    role = SwitchRole(name=kind, kind=kind, lma_gre_key=100, mag_gre_key=200, access_mac=bytes(6), shared=shared)
    switch = SwitchSimulator.of(compile_intent(ForwardingIntent(takes_mld=True), role))
    packet = Packet(
        in_port=in_port, ipv6_source=LINK_LOCAL, ipv6_destination=ALL_NODES, hop_limit=1, icmpv6_type=icmpv6_type,
        ip_proto=17 if icmpv6_type is None else 58, **fields,
    )
    return [port for port, _ in switch.inject(packet)]


@pytest.mark.parametrize("shared", [False, True])
def test_the_lma_hears_queries_of_the_source_network_and_reports_of_tunnels(shared: bool) -> None:
    heard = {
        (port, kind): sent("lma", port, kind, tunnel_key=key, shared=shared)
        for port, key in (("src0", None), ("mag0", 100))
        for kind in (QUERY, V1_REPORT, V1_DONE, V2_REPORT, ECHO, None)
    }
    assert {where for where, ports in heard.items() if ports == [CONTROLLER]} == {
        ("src0", QUERY), ("src0", V1_REPORT), ("mag0", V1_REPORT), ("mag0", V1_DONE), ("mag0", V2_REPORT),
    }
    assert {tuple(ports) for ports in heard.values()} == {(CONTROLLER,), ()}


def test_under_another_key_nothing_is_heard_in_a_tunnel() -> None:
    assert sent("lma", "mag0", V2_REPORT, tunnel_key=200) == []
    assert sent("mag", "lma0", QUERY, tunnel_key=200) == []


def test_a_mags_agent_hears_what_the_lma_asks_in_the_tunnel_and_nobody_else() -> None:
    assert sent("mag", "lma0", QUERY, tunnel_key=100) == ["hob0"]
    assert sent("mag", "lma0", V2_REPORT, tunnel_key=100) == []
    assert sent("mag", "mn1", QUERY) == []
    assert sent("mag", "mag0", QUERY, tunnel_key=200, tunnel_source=LINK_LOCAL) == []


def test_the_agent_can_tell_it_from_what_is_buffered() -> None:
    role = SwitchRole(name="mag1", kind="mag", lma_gre_key=100, mag_gre_key=200, access_mac=bytes(6))
    switch = SwitchSimulator.of(compile_intent(ForwardingIntent(takes_mld=True), role))
    ((_, frame),) = switch.inject(Packet(
        in_port="lma0", ipv6_source=LINK_LOCAL, ipv6_destination=ALL_NODES, hop_limit=1, ip_proto=58,
        icmpv6_type=QUERY, tunnel_key=100,
    ))
    # Hop limit 1 is kept: MLD is spoken on one link (RFC 3810 section 5), and this is its other end.
    assert (frame.eth_source, frame.hop_limit) == (path_mac(NATIVE_PATH), 1)


@pytest.mark.parametrize(("kind", "port", "key", "goes_to"), [
    ("lma", "src0", None, [CONTROLLER]), ("lma", "mag0", 100, [CONTROLLER]), ("lma", "mag0", 200, []),
    ("mag", "lma0", 100, ["hob0"]), ("mag", "mn1", None, []),
])
def test_igmp_goes_where_mld_goes(kind: str, port: str, key: int | None, goes_to: list[str]) -> None:
    role = SwitchRole(name=kind, kind=kind, lma_gre_key=100, mag_gre_key=200, access_mac=bytes(6))
    switch = SwitchSimulator.of(compile_intent(ForwardingIntent(takes_mld=True), role))
    packet = addressed(
        IPv4Address("192.0.2.1"), IPv4Address("224.0.0.1"), in_port=port, ip_proto=2, hop_limit=1, tunnel_key=key
    )
    assert [sent_to for sent_to, _ in switch.inject(packet)] == goes_to
