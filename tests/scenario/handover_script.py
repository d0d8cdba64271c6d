# SPDX-License-Identifier: Apache-2.0
"""The moves that most scenarios share."""

from __future__ import annotations

from ipaddress import IPv6Address

from controller.commands import HandoverAccepted
from tests.support.simulated_domain import SimulatedDomain

MN1, MN2 = "mn1@example.net", "mn2@example.net"
GROUP = IPv6Address("ff1e::101")


def trigger(domain: SimulatedDomain, new_mag: str = "mag2", mn_id: str = MN1) -> str:
    """Ask for a handover by REST; its id."""
    answer = domain.request_handover(mn_id, new_mag)
    assert isinstance(answer, HandoverAccepted), answer
    return answer.handover_id


def move(domain: SimulatedDomain, new_mag: str = "mag2", gap_s: float = 0.05, mn_id: str = MN1) -> None:
    """The MN leaves where it is and comes up elsewhere."""
    domain.detach(mn_id)
    domain.run_for(gap_s)
    domain.attach(mn_id, new_mag)


def outcome(domain: SimulatedDomain, handover_id: str) -> tuple[str, str | None]:
    """(state, error) of a handover."""
    view = domain.handovers()[handover_id]
    return view["state"], view["error"]
