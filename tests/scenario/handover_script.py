# SPDX-License-Identifier: Apache-2.0
"""The moves that most scenarios share."""

from __future__ import annotations

from ipaddress import IPv6Address

from controller.commands import HandoverAccepted
from southbound.agent.events import MobilityHeaderReceived
from southbound.agent.handover_acknowledge import acknowledgement
from southbound.codec.handover import HandoverInitiate
from southbound.codec.iana import HandoverAcknowledgeCode
from southbound.codec.mobility import encode_mobility
from tests.support.domain_checks import Watch
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_transport import Carried

MN1, MN2 = "mn1@example.net", "mn2@example.net"
GROUP = IPv6Address("ff1e::101")


def begun(domain: SimulatedDomain, settled_s: float = 1.0) -> SimulatedDomain:
    """The domain, running, with both mobile nodes at mag1 and everything at rest."""
    domain.start()
    for mn_id in (MN1, MN2):
        domain.attach(mn_id, "mag1")
    domain.run_for(settled_s)
    return domain


def watched(domain: SimulatedDomain, settled_s: float = 1.0) -> SimulatedDomain:
    """The same, and whatever is sent from the first message on is checked."""
    Watch(domain)
    return begun(domain, settled_s)


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


def answer_in_place_of(domain: SimulatedDomain, mag_id: str, name: str, code: HandoverAcknowledgeCode) -> None:
    """A MAG of another make: answers this HI by itself, and its own agent never sees it."""

    def fate(carried: Carried) -> str:
        if carried.name != name or carried.destination != mag_id:
            return ""
        assert isinstance(carried.message, HandoverInitiate)
        peer, own = domain.domain.mag(carried.source), domain.domain.mag(mag_id)
        assert peer is not None
        assert own is not None
        header = encode_mobility(acknowledgement(carried.message, code), own.address, peer.address)
        event = MobilityHeaderReceived(header=header, source=own.address)
        domain.clock.after(0.001, lambda: domain.agents[carried.source].handle(event))
        return "lose"

    domain.transport.fates.append(fate)
