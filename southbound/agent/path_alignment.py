# SPDX-License-Identifier: Apache-2.0
"""Making one sequence of two: where packets of the tunnel and of the native path stand relative to each other."""

from __future__ import annotations

from collections.abc import Callable

from southbound.agent.packet_sequence import NATIVE, TUNNEL, Entry, PacketSequence, skipped

OFFSETS_TRIED = 512
"""How far back `latest_alignment` looks."""


def joined_at(
    path: int, mine: list[Entry], theirs: list[Entry], twin: Entry, same: Callable[[Entry, Entry, int], None]
) -> PacketSequence:
    """The merged sequence when the newest packet of `path`, the last of `mine`, equals `twin` among `theirs`.

    `same(kept, copy, path)` is called for each pair of equal packets. What comes before the first pair exists on one
    path only: packets from before the other path started, or ones that it lost. Which path started first is told by the
    times of arrival, put right by the difference in delay that the common packet shows.
    """
    other = TUNNEL + NATIVE - path
    newest = mine.pop()
    position = next(index for index, entry in enumerate(theirs) if entry is twin)
    same(twin, newest, path)
    first = position
    while mine and first and mine[-1].digest == theirs[first - 1].digest:
        first -= 1
        same(theirs[first], mine.pop(), path)
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
    """The native packets after those of the tunnel; the tunnel may still bring packets that are among the native."""
    merged = PacketSequence([*tunnel, *native])
    merged.places[TUNNEL] = tunnel[-1] if tunnel else merged.head
    if native:
        for entry in tunnel:
            entry.marks |= skipped(NATIVE)
        merged.places[NATIVE] = merged.tail
    return merged


def latest_alignment(tunnel: list[Entry], native: list[Entry], hold_s: float) -> int | None:
    """The position in `tunnel` where `native` begins, for streams of equal packets; None when none fits.

    Of several that fit the last one: it takes the fewest native packets for copies. Both may overlap in part only.
    """
    if not native:
        return None
    tunnel_digests = [entry.digest for entry in tunnel]
    native_digests = [entry.digest for entry in native]
    for start in range(len(tunnel) - 1, max(len(tunnel) - OFFSETS_TRIED, 0) - 1, -1):
        if abs(tunnel[start].at - native[0].at) > hold_s:
            continue
        overlap = min(len(tunnel) - start, len(native))
        if tunnel_digests[start : start + overlap] == native_digests[:overlap]:
            return start
    return None
