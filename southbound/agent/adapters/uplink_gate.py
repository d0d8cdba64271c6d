# SPDX-License-Identifier: Apache-2.0
"""Carries out what UplinkOrder says: the gate at the buffer port, the way back into the switch, markers, timers.

The packets themselves never come out of the kernel. What the switch writes to the buffer port with the mark of the uplink
is sent out of the same port at once (`QueueingDisciplines.reflect`), which for the switch is coming in, through an
EgressGate. Open vSwitch's userspace datapath has its internal ports as tap devices, where a frame is back in the queue from
which the switch reads before the write has returned: so the last one by this detour is there before the switch takes up the
next one from the access port. This process sees a copy of each, which says that the switch has changed over.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

from southbound.agent.adapters.egress_gate import EgressGate
from southbound.agent.adapters.queueing_discipline import QueueingDisciplines
from southbound.agent.commands import ExpectMobileNode
from southbound.agent.uplink_marker import WORD_OCTETS, marker, word_of
from southbound.agent.uplink_order import Action, Open, SendMarker, Shut, UplinkOrder
from southbound.path_mark import UPLINK_PATH, path_mac
from topology.model import Domain

_DRAINED_EVERY_S = 0.001
_MARK = path_mac(UPLINK_PATH)
_WORDS = (
    (-8, int.from_bytes(_MARK[:4], "big"), 0xFFFF_FFFF),
    (-4, int.from_bytes(_MARK[4:], "big") << 16, 0xFFFF_0000),
)
"""The source address in the Ethernet header, seen from the IPv6 header."""

Send = Callable[[bytes, IPv6Address, int], bool]
"""One packet into the tunnel to this node under this key; whether it has gone."""


class UplinkGate:
    """That of one MAG; `on_drained` is called whenever a gate that was opened has let through all that waited."""

    def __init__(
        self, domain: Domain, interface: str, send: Send, on_drained: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._interface, self._send, self._on_drained, self._clock = interface, send, on_drained, clock
        self._lma = domain.lma.address, domain.lma_gre_key
        self._domain = domain
        self._order = UplinkOrder(
            hold_s=domain.timers.path_difference_ms / 1000, new_word=lambda: secrets.token_bytes(WORD_OCTETS),
            counters=self.counters,
        )
        self._disciplines: QueueingDisciplines | None = None
        self._gate: EgressGate | None = None
        self._prefixes: dict[str, tuple[IPv6Network, ...]] = {}
        self._peers: dict[str, str] = {}
        self._poll: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """In the network namespace of the ports: open what an earlier process may have left shut."""
        self._disciplines = QueueingDisciplines()
        self._gate = EgressGate(self._interface, self._disciplines, self.counters)
        self._gate.clear_leftover()

    def is_worth_it(self, peer: str) -> bool:
        """Whether what an MN from this MAG sends shall wait, and can."""
        return self._order.is_worth_it(peer) and self._can_reflect()

    def expect(self, command: ExpectMobileNode) -> None:
        """An MN is to come."""
        self.end(command.mn_id)
        self._prefixes[command.mn_id], self._peers[command.mn_id] = command.prefixes, command.peer
        if command.uplink_waits and command.prefixes:
            self._apply(self._order.expect(command.mn_id, command.peer))

    def arrived(self, mn_id: str) -> None:
        """It is on the link."""
        self._apply(self._order.arrived(mn_id))

    def bound(self, mn_id: str) -> None:
        """It is bound here."""
        peer = self._peers.get(mn_id)
        if peer and self._prefixes.get(mn_id):
            self._apply(self._order.measure(mn_id, peer, self._clock()))

    def takes(self, path_index: int, packet: bytes, now: float) -> bool:
        """Whether this packet of the buffer port is the uplink's, and none that is kept for an MN."""
        if path_index == UPLINK_PATH:
            source = IPv6Address(packet[8:24])
            for mn_id, prefixes in self._prefixes.items():
                if any(source in prefix for prefix in prefixes):
                    self._apply(self._order.waits(mn_id, now))
                    break
            return True
        word = word_of(packet)
        if word is None:
            return False
        # It may come by both paths. The second is no packet of the MN's either: as the only one of its stream it would
        # keep the join waiting for more.
        self._apply(self._order.returned(word, now) or ())
        return True

    def may_leave(self, mn_id: str) -> bool:
        """Whether the switch may be asked to deliver alone; False: it may when `on_drained` has been called."""
        may, actions = self._order.may_leave(mn_id, self._clock())
        self._apply(actions)
        return may

    def answered(self, mn_id: str, error: str | None) -> None:
        """The controller's answer to that."""
        self._order.answered(mn_id, error, self._clock())

    def end(self, mn_id: str) -> None:
        """The handover is over, or the MN has left."""
        self._prefixes.pop(mn_id, None)
        self._peers.pop(mn_id, None)
        self._apply(self._order.end(mn_id))

    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._order.next_deadline()

    def tick(self, now: float) -> None:
        """Bounds."""
        self._apply(self._order.tick(now))

    def close(self) -> None:
        """The gate open."""
        self._stop_polling()
        if self._gate is not None:
            self._gate.open_wide()
        if self._disciplines is not None:
            self._disciplines.close()
        self._gate = self._disciplines = None

    def _can_reflect(self) -> bool:
        if self._disciplines is None:
            return False
        try:
            index = socket.if_nametoindex(self._interface)
        except OSError:
            return False
        if self._disciplines.reflects(index) or self._disciplines.reflect(index, _WORDS) == 0:
            return True
        self.counters["uplink_no_way_back"] += 1
        return False

    def _apply(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Shut() if self._gate is not None:
                    self._stop_polling()
                    self._gate.shut()
                case Open() if self._gate is not None:
                    self._gate.open()
                    self._look_again()
                case SendMarker(mn_id=mn_id, by_peer=by_peer, word=word):
                    self._send_marker(mn_id, by_peer, word)

    def _send_marker(self, mn_id: str, by_peer: bool, word: bytes) -> None:
        packet = marker(self._prefixes[mn_id][0], word)
        peer = self._domain.mag(self._peers[mn_id])
        if not by_peer:
            self._send(packet, *self._lma)
        elif peer is not None:
            self._send(packet, peer.address, self._domain.relay_key(mn_id))

    def _look_again(self) -> None:
        self._poll = asyncio.get_running_loop().call_later(_DRAINED_EVERY_S, self._look)

    def _look(self) -> None:
        self._poll = None
        if self._gate is None:
            return
        if self._gate.held():
            self._look_again()
            return
        self._gate.open_wide()
        self._order.drained()
        self._on_drained()

    def _stop_polling(self) -> None:
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
