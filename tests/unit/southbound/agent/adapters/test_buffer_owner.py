# SPDX-License-Identifier: Apache-2.0
"""What the owner of the handover buffer tells of it."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from southbound.agent.adapters.buffer_owner import BufferOwner
from southbound.agent.commands import DeliverBuffer, ExpectMobileNode
from southbound.rpc.methods import BufferReport
from tests.support.domains import three_mags
from tests.unit.southbound.agent.buffer_streams import MN, OTHER_TUNNEL, TUNNEL, any_source, packet


@pytest.fixture
def owner() -> BufferOwner:
    """Its port, the uplink and the rest of the agent are not asked for anything here."""
    return BufferOwner(
        three_mags(), {"mn1": Mock(interface="mn1")}, Mock(), drain=Mock(), on_delivery=Mock(),
        on_sent=Mock(), uplink=Mock(),
    )


def expect(owner: BufferOwner, handover_id: str, tunnel_path: int = TUNNEL) -> None:
    owner.carry_out(
        ExpectMobileNode(
            mn_id=MN, handover_id=handover_id, port="mn1", memberships=any_source(), tunnel_path=tunnel_path,
        ),
        0.0,
    )


def report(owner: BufferOwner, handover_id: str) -> dict[str, int]:
    (told,) = [one for one in owner.release(MN, handover_id, 1.0, 0.0) if isinstance(one, BufferReport)]
    return dict(told.counters)


def test_what_never_was_delivered_is_in_the_report(owner: BufferOwner) -> None:
    expect(owner, "1")
    for number in range(5):
        owner.packet(TUNNEL, packet(number), 0.1)
    assert report(owner, "1") == {"received_tunnel": 5, "released_undelivered": 5, "send_failed": 0}
    assert owner.is_empty
    assert owner.held_bytes == 0


def test_what_is_in_no_report_is_in_the_counters(owner: BufferOwner) -> None:
    owner.carry_out(DeliverBuffer(mn_id=MN), 0.0)
    owner.packet(TUNNEL, b"\x60", 0.1)
    owner.packet(TUNNEL, packet(1), 0.1)
    assert owner.counters == {"unknown_mobile_node": 1, "malformed": 1}


def test_what_a_handover_has_lost_whose_place_another_one_took_is_in_the_counters(owner: BufferOwner) -> None:
    expect(owner, "1")
    owner.packet(TUNNEL, packet(1), 0.1)
    expect(owner, "2", OTHER_TUNNEL)
    assert owner.counters == {"released_undelivered": 1}
    assert owner.release(MN, "1", 1.0, 0.0) == []
    assert "released_undelivered" not in report(owner, "2")
