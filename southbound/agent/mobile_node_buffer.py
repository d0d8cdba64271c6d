# SPDX-License-Identifier: Apache-2.0
"""The handover buffer's part for one MN: from the context's arrival until the switch delivers alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import merge
from ipaddress import IPv6Network
from math import inf

from southbound.agent.buffer_effects import (
    Deliver,
    DeliveryStarted,
    Effect,
    FirstNativePacket,
    FirstTunnelPacket,
    Joined,
)
from southbound.agent.delivery_cut import DeliveredWord
from southbound.agent.held_packets import HeldAccount
from southbound.agent.join_limits import JoinLimits
from southbound.agent.packet_digest import addresses_of, group_of, key_of, prefix_key, source_of
from southbound.agent.packet_sequence import NATIVE, TUNNEL, Arrival
from southbound.agent.packet_timeline import PacketTimeline
from southbound.agent.stream_join import StreamJoin
from southbound.codec.addresses import IpAddress
from southbound.mld.membership import FilterMode, GroupMembership


class MobileNodeBuffer:
    """All streams of one MN. Methods append what is to be done to `effects`."""

    def __init__(
        self,
        mn_id: str,
        memberships: Iterable[GroupMembership],
        prefixes: Iterable[IPv6Network],
        *,
        tunnel_path: int,
        native_path: int,
        cut_expected: bool,
        cut_wait_s: float,
        account: HeldAccount,
        limits: JoinLimits,
    ) -> None:
        self.mn_id = mn_id
        self.tunnel_path = tunnel_path
        self.native_path = native_path
        self.account = account
        self.from_tunnel = PacketTimeline()
        """What has come from the p-MAG, wanted or not by then."""
        self.delivering = False
        self.joined = False
        self.handed_over = False
        """Whether the switch delivers by now."""
        self.cut_expected = cut_expected
        self._cut_wait_s = cut_wait_s
        self._limits = limits
        self._memberships: dict[bytes, GroupMembership] = {}
        self._prefixes: frozenset[bytes] = frozenset()
        """Stream keys of its home networks."""
        self._streams: dict[bytes, StreamJoin] = {}
        self._words: dict[bytes, DeliveredWord] = {}
        self._cut_known = False
        self._arrived_at: float | None = None
        self._confirmed_at: float | None = None
        self._seen = {TUNNEL: False, NATIVE: False}
        self._tunnel_open = True
        self.expect_only(memberships, prefixes)

    @property
    def is_here(self) -> bool:
        """Whether the MN has arrived."""
        return self._arrived_at is not None

    # --- what it wants ---------------------------------------------------------------------------------------------

    def expect_only(self, memberships: Iterable[GroupMembership], prefixes: Iterable[IPv6Network]) -> None:
        """These memberships and home networks from now on; what is kept of others goes."""
        self._prefixes = frozenset(map(prefix_key, prefixes))
        self._memberships = {membership.group.packed: membership for membership in memberships}
        for key in [key for key in self._streams if not self.wants(key)]:
            stream = self._streams.pop(key)
            stream.drop_held("no_longer_wanted")
            stream.clear()

    def has_group(self, key: bytes) -> bool:
        """Whether it is a member of the stream's group at all."""
        return group_of(key) in self._memberships

    def wants(self, key: bytes) -> bool:
        """Whether packets of this stream are for it: of a group (RFC 3810 section 4.2), or of its home network."""
        if key in self._prefixes:
            return True
        membership = self._memberships.get(group_of(key))
        return membership is not None and membership.wants(addresses_of(key)[0])

    def live_streams(self, since: float) -> int:
        """How many streams have had a packet after `since`."""
        return sum(stream.last_at > since for stream in self._streams.values())

    def stream(self, key: bytes) -> StreamJoin | None:
        """The stream's state, made when first asked for; None when there are too many streams."""
        stream = self._streams.get(key)
        if stream is None:
            if len(self._streams) >= self._limits.streams_per_mobile_node:
                return None
            stream = StreamJoin(
                self.account, self._limits, delivering=self.delivering, tunnel_open=self._tunnel_open,
                native_only=self.joined,
            )
            word = self._words.get(key)
            if word is not None:
                stream.cut(word.fresh())
            self._streams[key] = stream
        return stream

    # --- what happens ----------------------------------------------------------------------------------------------

    def receive(self, stream: StreamJoin, path: int, arrival: Arrival, effects: list[Effect]) -> None:
        """A packet of one of its streams has come by TUNNEL or NATIVE."""
        self.account.counters["received_tunnel" if path == TUNNEL else "received_native"] += 1
        if path == TUNNEL:
            self.from_tunnel.count(arrival.at)
        elif self.handed_over:
            self.account.counters["after_takeover"] += 1
        if not self._seen[path]:
            self._seen[path] = True
            effects.append((FirstTunnelPacket if path == TUNNEL else FirstNativePacket)(mn_id=self.mn_id))
        out: list[bytes] = []
        stream.receive(path, arrival, out)
        if out:
            self._deliver(out, effects)
        if self.joined:
            return
        if not self.delivering:
            if self._arrived_at is not None:
                self._start_when_ready(arrival.at, effects)
        elif self._confirmed_at is not None and stream.joined(arrival.at):
            self._join_when_ready(arrival.at, effects)

    def cut(
        self, last_delivered: Mapping[tuple[IpAddress, IpAddress], tuple[bytes, ...]], now: float,
        effects: list[Effect],
    ) -> None:
        """The p-MAG has named the last packets that it sent to the MN. A later word replaces an earlier one."""
        self._cut_known = True
        limits, self._words = self._limits, {}
        for (source, group), named in last_delivered.items():
            key = key_of(source, group)
            if len(self._words) >= limits.streams_per_mobile_node or not named or not self.wants(key):
                continue
            age_s = limits.overtaken_s if len(named) == 1 else limits.word_age_s
            word = DeliveredWord(named, expires=now + age_s, packets=limits.word_packets)
            self._words[key] = word
            stream = self._streams.get(key)
            if stream is not None and not self.joined:
                stream.cut(word.fresh())
        self._start_when_ready(now, effects)

    def arrived(self, now: float, effects: list[Effect]) -> None:
        """The MN is on the link."""
        if self._arrived_at is None:
            self._arrived_at = now
            self.account.arm(now + self._cut_wait_s)
        self._start_when_ready(now, effects)

    def forwarding_refused(self, now: float, effects: list[Effect]) -> None:
        """Neither packets nor a word will come from the p-MAG."""
        self.cut_expected = False
        self._tunnel_open = False
        out: list[bytes] = []
        for stream in self._streams.values():
            stream.close_tunnel(now, out)
        self._deliver(out, effects)
        self._start_when_ready(now, effects)

    def native_confirmed(self, now: float, effects: list[Effect]) -> None:
        """The LMA forwards natively from now on."""
        if self._confirmed_at is None:
            self._confirmed_at = now
        self.tick(now, effects)

    def tick(self, now: float, effects: list[Effect]) -> None:
        """Time has passed. Sets the account's next deadline anew."""
        self.account.deadline = inf
        self._start_when_ready(now, effects)
        out: list[bytes] = []
        for stream in self._streams.values():
            stream.tick(now, out)
            self.account.arm(stream.next_deadline())
        self._deliver(out, effects)
        self._join_when_ready(now, effects)
        if not self.delivering and self._arrived_at is not None:
            self.account.arm(self._arrived_at + self._cut_wait_s)

    def release(self) -> None:
        """The end: nothing is kept."""
        self.account.drop_all("released_undelivered")
        for stream in self._streams.values():
            stream.clear()
        self._streams.clear()
        self._words.clear()

    # --- delivery --------------------------------------------------------------------------------------------------

    def _deliver(self, out: list[bytes], effects: list[Effect]) -> None:
        self.account.counters["delivered"] += len(out)
        mn_id = self.mn_id
        effects.extend([Deliver(mn_id, packet) for packet in out])

    def _start_when_ready(self, now: float, effects: list[Effect]) -> None:
        """Step 7: with the p-MAG's word, or without it when it has been waited for long enough."""
        if self.delivering or self._arrived_at is None:
            return
        if now < self._arrived_at + self._cut_wait_s:
            if self.cut_expected and not self._cut_known:
                return
            if any(stream.awaits_named(now) for stream in self._streams.values()):
                # The word has overtaken the packets: what it names is about to come.
                return
        counters, streams = self.account.counters, self._streams.values()
        if self.cut_expected and not self._cut_known:
            counters["cut_missing"] += 1
        counters["cut_unmatched"] += sum(not stream.word_found and stream.holds for stream in streams)
        self.delivering = True
        effects.append(DeliveryStarted(mn_id=self.mn_id, buffered_packets=self.account.packets))
        # Across streams in the order of arrival, within a stream in its own order.
        ready = list(merge(*[stream.start(now) for stream in streams], key=lambda arrival: arrival.number))
        if ready:
            # As near as this side can see how long the MN heard nothing: what came first has waited through its move.
            counters["first_delivery_waited_us"] = round((now - ready[0].at) * 1e6)
        self._deliver([arrival.data for arrival in ready], effects)
        self.tick(now, effects)

    def _join_when_ready(self, now: float, effects: list[Effect]) -> None:
        """Step 10 done: every stream has been joined, or nothing more can be expected of it."""
        confirmed = self._confirmed_at
        if confirmed is None or not self.delivering or self.joined:
            return
        limits = self._limits
        if now < confirmed + limits.total_s:
            for stream in self._streams.values():
                if stream.joined(now):
                    continue
                idle_at = max(stream.last_at, confirmed) + limits.idle_s
                if now < idle_at or stream.holds:
                    self.account.arm(confirmed + limits.total_s)
                    if now < idle_at:
                        self.account.arm(idle_at)
                    return
            if now < confirmed + limits.idle_s and not self._all_heard(now):
                self.account.arm(confirmed + min(limits.idle_s, limits.total_s))
                return
        self.joined = True
        counters, out = self.account.counters, list[bytes]()
        for stream in self._streams.values():
            if not stream.joined(now):
                over = now >= max(stream.last_at, confirmed) + limits.idle_s
                counters["joined_idle" if over else "join_without_common"] += 1
            stream.finish(now, out)
        self._deliver(out, effects)
        effects.append(Joined(mn_id=self.mn_id))

    def _all_heard(self, now: float) -> bool:
        """Whether every membership has a stream, every source asked for by name one of its own; and no prefix is awaited.

        A home network for which nothing has come is not waited for when another stream is in step: all streams take the
        same two ways in order, so what was sent before the native path began has come.
        """
        in_step = any(stream.joined(now) for stream in self._streams.values())
        if not in_step and not self._prefixes <= self._streams.keys():
            return False
        heard: dict[bytes, set[bytes]] = {}
        for key in self._streams:
            heard.setdefault(group_of(key), set()).add(source_of(key))
        return all(
            {source.packed for source in membership.sources} <= heard.get(group, set())
            if membership.filter_mode is FilterMode.INCLUDE
            else group in heard
            for group, membership in self._memberships.items()
        )
