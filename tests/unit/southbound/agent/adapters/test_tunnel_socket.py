# SPDX-License-Identifier: Apache-2.0
"""What the agent's own tunnel packets say of congestion. How they are on the wire is in tests/lab."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6

from southbound.agent.adapters.tunnel_socket import outer_ecn

NOT_ECT, ECT_1, ECT_0, CE = range(4)


@pytest.mark.parametrize(("inner", "outer"), [(NOT_ECT, NOT_ECT), (ECT_1, ECT_1), (ECT_0, ECT_0), (CE, ECT_0)])
@pytest.mark.parametrize("differentiated_services", [0, 46])
def test_the_outer_header_has_the_ecn_field_of_the_inner_one(
    inner: int, outer: int, differentiated_services: int
) -> None:
    """RFC 3168 section 9.1.1, the full-functionality option, which RFC 5213 section 5.6.3 asks for."""
    octet = differentiated_services << 2 | inner
    assert outer_ecn(bytes(IPv6(tc=octet, fl=0xFFFFF))) == outer
    assert outer_ecn(bytes(IP(tos=octet))) == outer


def test_what_is_no_packet_has_none() -> None:
    assert outer_ecn(b"") == NOT_ECT
    assert outer_ecn(b"\x6f") == NOT_ECT
