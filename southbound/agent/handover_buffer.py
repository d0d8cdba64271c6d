# SPDX-License-Identifier: Apache-2.0
"""The n-MAG's handover buffer: keeps what comes for MNs on their way, delivers in order, joins the native stream. Pure.

The life of an MN here is `expect` (step 3), `cut` (step 6) and `arrived` (7) in either order, `native_confirmed` (9),
the effect `Joined` (10) and `release`. One copy of a packet comes by a tunnel, however many MNs move; natively one for
each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Network
from math import inf

from southbound.agent.buffer_effects import Effect
from southbound.agent.held_packets import HeldAccount, HeldLedger
from southbound.agent.join_limits import JoinLimits
from southbound.agent.mobile_node_buffer import MobileNodeBuffer
from southbound.agent.packet_digest import stream_key
from southbound.agent.packet_sequence import NATIVE, TUNNEL, Arrival
from southbound.agent.packet_timeline import PacketTimeline
from southbound.agent.stream_join import StreamJoin
from southbound.codec.addresses import IpAddress
from southbound.mld.membership import GroupMembership
from southbound.path_mark import NATIVE_PATH, is_native
from topology.settings import Limits, Timers

_LOSSES = ("late_dropped", "overflow_dropped", "expired_dropped", "released_undelivered")

ROUTES_REMEMBERED = 4_096
"""For how many (path, stream) it is remembered who wants them; sources can be made up."""

Route = tuple[tuple[MobileNodeBuffer, StreamJoin], ...]


class HandoverBuffer:
    """All MNs on their way to this MAG. Every method that can cause something returns it as effects, in order.

    `now` is in seconds of any monotonic clock. Calls for an MN that is not expected do nothing and are counted in
    `totals` as unknown_mobile_node.
    """

    def __init__(self, limits: Limits, timers: Timers, join_limits: JoinLimits | None = None) -> None:
        self.totals: Counter[str] = Counter()
        """What is in no MN's counters: malformed, not_wanted, unknown_mobile_node, too_many_streams; and what a life had
        lost that another one replaced."""
        self._limits = limits
        self._cut_wait_s = timers.cut_wait_ms / 1000
        self._join_limits = join_limits or JoinLimits.for_path_difference(timers.path_difference_ms / 1000)
        self._ledger = HeldLedger(limits)
        self._mobile_nodes: dict[str, MobileNodeBuffer] = {}
        self._routes: dict[int, dict[bytes, Route]] = {}
        self._routes_known = 0
        self._arrivals = 0

    # --- life of an MN ---------------------------------------------------------------------------------------------

    def expect(
        self,
        mn_id: str,
        memberships: Iterable[GroupMembership],
        tunnel_path: int,
        now: float,
        *,
        native_path: int = NATIVE_PATH,
        cut_expected: bool = True,
        prefixes: Iterable[IPv6Network] = (),
    ) -> list[Effect]:
        """Keep from now on what comes for this MN by the native path (its own copy: `native_path`) or by the tunnel
        `tunnel_path`: of the groups, and for its home network prefixes.

        Repeated for an MN that has not arrived and comes from the same MAG it changes the memberships and keeps what is
        there; otherwise it begins a new life, and what was kept is dropped (released_undelivered in `totals`).
        `cut_expected` False: the p-MAG will not name the last packets, so delivery does not wait for that.
        """
        known = self._mobile_nodes.get(mn_id)
        self._forget_routes()
        if known is not None and known.tunnel_path == tunnel_path and not known.is_here:
            known.expect_only(memberships, prefixes)
            known.cut_expected = cut_expected
            return []
        if known is not None:
            lost = self.release(mn_id, now)
            self.totals.update({name: lost[name] for name in _LOSSES if name in lost})
        self._mobile_nodes[mn_id] = MobileNodeBuffer(
            mn_id,
            memberships,
            prefixes,
            tunnel_path=tunnel_path,
            native_path=native_path,
            cut_expected=cut_expected,
            cut_wait_s=self._cut_wait_s,
            account=HeldAccount(self._ledger, self._limits),
            limits=self._join_limits,
        )
        return []

    def set_aside(self, mn_id: str, name: str) -> None:
        """Go on for this MN under another name: it has gone to another MAG, and is expected here again under its own."""
        mobile_node = self._mobile_nodes.pop(mn_id, None)
        if mobile_node is not None:
            mobile_node.mn_id = name
            self._mobile_nodes[name] = mobile_node
            self._forget_routes()

    def cut(
        self, mn_id: str, last_delivered: Mapping[tuple[IpAddress, IpAddress], tuple[bytes, ...]], now: float
    ) -> list[Effect]:
        """The p-MAG's word: (source, group) -> digests of the last packets sent to the MN, oldest first; of unicast
        (ANY_SOURCE, address of the prefix) -> digests."""
        effects: list[Effect] = []
        if (mobile_node := self._known(mn_id)) is not None:
            mobile_node.cut(last_delivered, now, effects)
        return effects

    def arrived(self, mn_id: str, now: float) -> list[Effect]:
        """The MN is on the link."""
        effects: list[Effect] = []
        if (mobile_node := self._known(mn_id)) is not None:
            mobile_node.arrived(now, effects)
        return effects

    def native_confirmed(self, mn_id: str, now: float) -> list[Effect]:
        """The PBA has come: the LMA forwards this MN's groups to here. `Joined` does not come before."""
        effects: list[Effect] = []
        if (mobile_node := self._known(mn_id)) is not None:
            mobile_node.native_confirmed(now, effects)
        return effects

    def forwarding_refused(self, mn_id: str, now: float) -> list[Effect]:
        """Nothing will come from the p-MAG for this MN, neither packets nor its word: wait for neither."""
        effects: list[Effect] = []
        if (mobile_node := self._known(mn_id)) is not None:
            mobile_node.forwarding_refused(now, effects)
        return effects

    def hand_over_to_switch(self, mn_id: str) -> None:
        """The switch delivers to this MN. What still comes natively is of the old rule, and is delivered.

        The native copy for an MN is made in place of the one that goes to its access port (controller.forwarding), so this
        is never a copy of what the switch delivers itself.
        """
        if (mobile_node := self._known(mn_id)) is not None:
            mobile_node.handed_over = True

    def live_streams(self, mn_id: str, since: float) -> int:
        """How many streams of this MN have had a packet after `since`."""
        mobile_node = self._mobile_nodes.get(mn_id)
        return 0 if mobile_node is None else mobile_node.live_streams(since)

    def release(self, mn_id: str, now: float) -> dict[str, int]:
        """Free everything of this MN. Its counters at the end, as of `counters`; empty when it is not known."""
        del now
        mobile_node = self._mobile_nodes.pop(mn_id, None)
        if mobile_node is None:
            return {}
        mobile_node.release()
        self._ledger.forget_dropped()
        self._forget_routes()
        return dict(mobile_node.account.counters)

    def counters(self, mn_id: str) -> dict[str, int]:
        """What has happened to this MN's packets so far; empty when it is not known.

        received_tunnel + received_native = delivered + the packets held + all other counters of packets:
        already_delivered, duplicates_dropped, late_dropped, overflow_dropped, expired_dropped, left_to_native,
        tunnel_after_join, no_longer_wanted, released_undelivered. Not of packets, or of packets not received for it:
        after_takeover (native, delivered although handed over to the switch), cut_missing, cut_unmatched,
        hold_timeout, join_without_common, joined_idle, not_wanted, too_many_streams. first_delivery_waited_us is the age
        of the packet with which delivery began.
        """
        mobile_node = self._mobile_nodes.get(mn_id)
        return {} if mobile_node is None else dict(mobile_node.account.counters)

    def from_tunnel(self, mn_id: str) -> PacketTimeline:
        """When packets for this MN have come from the p-MAG; empty when it is not known."""
        mobile_node = self._mobile_nodes.get(mn_id)
        return PacketTimeline() if mobile_node is None else mobile_node.from_tunnel

    @property
    def held_packets(self) -> int:
        """Packets in memory."""
        return self._ledger.packets

    @property
    def held_bytes(self) -> int:
        """Their octets."""
        return self._ledger.bytes

    # --- packets and time ------------------------------------------------------------------------------------------

    def on_packet(self, path_index: int, packet: bytes, now: float) -> list[Effect]:
        """A bare IP packet has come by the path with this index (southbound.path_mark)."""
        effects: list[Effect] = []
        key = stream_key(packet)
        if key is None:
            self.totals["malformed"] += 1
            return effects
        routes = self._routes.get(path_index)
        route = None if routes is None else routes.get(key)
        if route is None:
            route = self._find_route(path_index, key)
        if not route:
            return effects
        self._arrivals += 1
        arrival = Arrival(packet, now, self._arrivals)
        path = NATIVE if is_native(path_index) else TUNNEL
        for mobile_node, stream in route:
            mobile_node.receive(stream, path, arrival, effects)
        self._ledger.enforce()
        return effects

    def next_deadline(self) -> float | None:
        """When `tick` is due; it may turn out that nothing had to be done."""
        deadline = min(
            (mobile_node.account.deadline for mobile_node in self._mobile_nodes.values()), default=inf
        )
        deadline = min(deadline, self._ledger.next_expiry())
        return None if deadline == inf else deadline

    def tick(self, now: float) -> list[Effect]:
        """Time has passed."""
        effects: list[Effect] = []
        self._ledger.expire(now)
        for mobile_node in list(self._mobile_nodes.values()):
            if mobile_node.account.deadline <= now:
                mobile_node.tick(now, effects)
        return effects

    # --- who wants what --------------------------------------------------------------------------------------------

    def _known(self, mn_id: str) -> MobileNodeBuffer | None:
        mobile_node = self._mobile_nodes.get(mn_id)
        if mobile_node is None:
            self.totals["unknown_mobile_node"] += 1
        return mobile_node

    def _find_route(self, path_index: int, key: bytes) -> Route:
        route: list[tuple[MobileNodeBuffer, StreamJoin]] = []
        unused: list[str] = []
        for mobile_node in self._mobile_nodes.values():
            if path_index not in (mobile_node.native_path, mobile_node.tunnel_path):
                continue
            if not mobile_node.wants(key):
                if mobile_node.has_group(key):
                    mobile_node.account.counters["not_wanted"] += 1
                continue
            stream = mobile_node.stream(key)
            if stream is None:
                mobile_node.account.counters["too_many_streams"] += 1
                unused.append(mobile_node.mn_id)
            else:
                route.append((mobile_node, stream))
        if not route:
            # Not remembered: each of these packets is counted for the MNs whose filter keeps it out.
            self.totals["too_many_streams" if unused else "not_wanted"] += 1
            return ()
        if self._routes_known >= ROUTES_REMEMBERED:
            self._forget_routes()
        self._routes.setdefault(path_index, {})[key] = tuple(route)
        self._routes_known += 1
        return tuple(route)

    def _forget_routes(self) -> None:
        self._routes.clear()
        self._routes_known = 0
