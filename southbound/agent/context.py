# SPDX-License-Identifier: Apache-2.0
"""What the machines of one MAG share: who we are, the exchange with peers, and how a step is told to the controller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address

from southbound.agent.commands import Command, NotifyController
from southbound.agent.handover_exchange import HandoverExchange
from southbound.agent.home_networks import HomeNetworks
from southbound.agent.releases import Releases
from southbound.agent.sequence_window import SequenceWindow
from southbound.codec.handover import Dialect, HandoverAcknowledge, HandoverInitiate
from southbound.codec.mobility import encode_mobility
from southbound.mld.context_options import StateRoom, excluded_sources_left_out
from southbound.mld.membership import GroupMembership
from southbound.mobility_authentication import MobilityAuthentication
from southbound.rpc.methods import StepReached
from topology.model import Domain, Mag
from topology.policy_store import PolicyStore


@dataclass(slots=True, kw_only=True)
class MagContext:
    """Shared by the machines of one agent."""

    domain: Domain
    mag: Mag
    policy: PolicyStore
    exchange: HandoverExchange
    new_handover_id: Callable[[], str]
    home_networks: HomeNetworks
    sequences: SequenceWindow
    """Of the HandoverInitiates of all peers."""
    releases: Releases = field(default_factory=Releases)
    held_bytes: Callable[[], int] = lambda: 0
    """Octets of packets that are kept for MNs here by now."""
    uplink_waits: Callable[[str], bool] = lambda _peer: False
    """Whether what an MN from this MAG sends has to wait, once it is bound, for what has gone by that MAG; and can."""
    wall_offset: float = 0.0
    """Wall clock minus `now`: steps and Timestamp options carry wall-clock time."""
    counters: Counter[str] = field(default_factory=Counter)
    authentication: MobilityAuthentication | None = None
    """Of Mobility Header messages; None: they have none."""

    def authenticator_octets(self, peer: IPv6Address) -> int:
        """What a message to this peer has to leave room for."""
        return self.authentication.octets(peer) if self.authentication is not None else 0

    def dialect(self, peer: Mag) -> Dialect:
        """The HI/HAck dialect between this MAG and the peer."""
        return Dialect(self.domain.dialect_between(self.mag, peer))

    def option_length_unit(self, peer: Mag) -> str:
        """What the Length of options 60 and 61 counts between this MAG and the peer."""
        return self.domain.option_length_unit_between(self.mag, peer)

    def count_left_out(self, memberships: tuple[GroupMembership, ...], room: StateRoom) -> None:
        """A context is about to be told to a peer whose records are too short for some source lists."""
        left_out = excluded_sources_left_out(memberships, room)
        if left_out:
            self.counters["context_sources_left_out"] += left_out

    def speaks_multicast(self, peer: Mag) -> bool:
        """Whether multicast state goes between this MAG and the peer (RFC 7411)."""
        return self.mag.multicast_context and peer.multicast_context

    def initiate(
        self,
        peer: Mag,
        mn_id: str,
        build: Callable[[Dialect, int], HandoverInitiate],
        token: str,
        now: float,
        urgent_timeout_s: float | None = None,
    ) -> list[Command]:
        """Send a HandoverInitiate reliably; `token` names what its acknowledgement, or its absence, is for."""
        sequence = self.exchange.next_sequence(now + self.wall_offset)
        message = build(self.dialect(peer), sequence)
        header = encode_mobility(
            message, self.mag.address, peer.address, option_length_unit=self.option_length_unit(peer)
        )
        return [*self.exchange.send(peer.address, mn_id, sequence, header, token, now, urgent_timeout_s)]

    def acknowledge(
        self, peer: IPv6Address, mn_id: str, message: HandoverAcknowledge, now: float
    ) -> list[Command]:
        """Answer a HandoverInitiate, and remember the answer for its repetitions."""
        unit = self.option_length_unit(self.domain.mag_by_address(peer) or self.mag)
        header = encode_mobility(message, self.mag.address, peer, option_length_unit=unit)
        return [*self.exchange.answer(peer, mn_id, message.sequence, header, now)]

    def step(
        self,
        number: int,
        name: str,
        handover_id: str,
        mn_id: str,
        previous: str,
        new: str,
        now: float,
        detail: str = "",
    ) -> NotifyController:
        """Tell the controller that a step of the draft's Figure 2 has happened here."""
        return NotifyController(
            call=StepReached(
                handover_id=handover_id,
                mn_id=mn_id,
                step=number,
                name=name,
                at=now + self.wall_offset,
                previous_mag=previous,
                new_mag=new,
                detail=detail,
            )
        )
