# SPDX-License-Identifier: Apache-2.0
"""Making one sequence of two: where packets of the tunnel and of the native path stand relative to each other."""

from __future__ import annotations

from southbound.agent.held_packets import HeldAccount
from southbound.agent.packet_sequence import LACKING, NATIVE, TUNNEL, Arrival, Entry, PacketSequence, skipped

OFFSETS_TRIED = 512
"""How far back `latest_alignment` looks."""


def same(kept: Entry, copy: Entry, path: int, account: HeldAccount) -> None:
    """Two entries are one packet, `copy` brought by `path`: `kept` stays, and is done if either was."""
    kept.marks |= path
    if copy.arrival is None:
        if copy.marks & LACKING == 0:
            account.drop(kept, "duplicates_dropped")
            kept.marks &= ~LACKING
    elif kept.marks & LACKING:
        arrival = copy.arrival
        account.take(copy)
        fill(kept, arrival, account)
    else:
        account.drop(copy, "duplicates_dropped")


def fill(lacking: Entry, arrival: Arrival, account: HeldAccount) -> None:
    """What had to be dropped has come again; `account.enforce` is to follow."""
    lacking.arrival = arrival
    lacking.at = arrival.at
    lacking.marks &= ~LACKING
    account.keep(lacking)


def joined_at(
    path: int, mine: list[Entry], theirs: list[Entry], twin: Entry, account: HeldAccount
) -> PacketSequence:
    """The merged sequence when the newest packet of `path`, the last of `mine`, equals `twin` among `theirs`.

    What comes before the first pair exists on one
    path only: packets from before the other path started, or ones that it lost. Which path started first is told by the
    times of arrival, put right by the difference in delay that the common packet shows.
    """
    other = TUNNEL + NATIVE - path
    newest = mine.pop()
    position = next(index for index, entry in enumerate(theirs) if entry is twin)
    same(twin, newest, path, account)
    first = position
    while mine and first and mine[-1].digest == theirs[first - 1].digest:
        first -= 1
        same(theirs[first], mine.pop(), path, account)
    rest, common = theirs[:first], theirs[first:]
    for entry in rest:
        entry.marks |= skipped(path)
    for entry in mine:
        entry.marks |= skipped(other)
    delay_difference = newest.at - twin.at
    mine_first = False
    if mine and rest:
        started = mine[0].at - delay_difference
        # At the same time: what the tunnel has brought is delivered already.
        mine_first = started <= rest[0].at if path == TUNNEL else started < rest[0].at
    merged = PacketSequence([*mine, *rest, *common] if mine_first else [*rest, *mine, *common])
    merged.places[path] = twin
    merged.places[other] = merged.tail
    return merged


def concatenated(tunnel: list[Entry], native: list[Entry]) -> PacketSequence:
    """The native packets after those of the tunnel, which may still bring packets that are among the native."""
    merged = PacketSequence([*tunnel, *native])
    merged.places[TUNNEL] = tunnel[-1] if tunnel else merged.head
    if native:
        for entry in tunnel:
            entry.marks |= skipped(NATIVE)
        merged.places[NATIVE] = merged.tail
    return merged


def placed(path: int, base: list[Entry], before: int) -> PacketSequence:
    """The sequence of the other path alone, and the place of `path` before this position: its packets follow."""
    merged = PacketSequence(base)
    merged.places[TUNNEL + NATIVE - path] = merged.tail
    for entry in base[:before]:
        entry.marks |= skipped(path)
    if before:
        merged.places[path] = base[before - 1]
    return merged


def latest_alignment(tunnel: list[Entry], native: list[Entry], hold_s: float) -> int | None:
    """How many tunnel packets come before the first native one, for streams of equal packets; None when nothing fits.

    Negative: so many native packets come before the first of the tunnel. What overlaps is equal, and came on both paths
    within `hold_s`. Of several that fit it is the one which takes the fewest packets for copies of others.
    """
    tunnel_digests = [entry.digest for entry in tunnel]
    native_digests = [entry.digest for entry in native]
    for offset in range(min(len(tunnel), OFFSETS_TRIED) - 1, -min(len(native), OFFSETS_TRIED), -1):
        tunnel_from, native_from = max(offset, 0), max(-offset, 0)
        if offset >= 0:
            tunnel_from = len(tunnel) - min(len(tunnel), OFFSETS_TRIED) + offset
        overlap = min(len(tunnel) - tunnel_from, len(native) - native_from)
        if overlap <= 0 or abs(tunnel[tunnel_from].at - native[native_from].at) > hold_s:
            continue
        if (
            tunnel_digests[tunnel_from : tunnel_from + overlap] == native_digests[native_from : native_from + overlap]
        ):
            return tunnel_from - native_from
    return None
