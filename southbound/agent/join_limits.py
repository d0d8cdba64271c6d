# SPDX-License-Identifier: Apache-2.0
"""How long and how much the join of the two paths to a mobile node may take."""

from __future__ import annotations

from dataclasses import dataclass

_WORD_AGE_LEAST_S = 0.1
"""The word overtakes packets in the same tunnel, whatever the difference of the paths is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinLimits:
    """Of each stream. The defaults are those for a difference of 0.5 s."""

    hold_s: float = 0.5
    """The most that the delays of the two paths differ: how long packets wait for the other path."""
    hold_packets: int = 4_096
    """How many packets of a stream wait at most for the other path to tell their place."""
    idle_s: float = 0.5
    """A stream on which nothing has come for so long counts as joined."""
    total_s: float = 3.0
    """So long after the native path was confirmed every stream counts as joined."""
    word_age_s: float = 1.0
    word_packets: int = 8_192
    """For how long, and how many arrivals, the packets named by the p-MAG are looked for."""
    overtaken_s: float = 0.04
    """By so much the word is ahead of the last packet in the same tunnel. Counts where it names one packet only: then no
    order tells that packet from a later equal one."""
    remembered_packets: int = 16_384
    """How many packets of a stream are remembered to be recognised on the other path."""
    streams_per_mobile_node: int = 256

    @classmethod
    def for_path_difference(cls, seconds: float) -> JoinLimits:
        """For two paths whose delays differ by so much at most.

        A stream is not over while the slower path may still bring its last packets, the p-MAG's word holds for the
        native path too, and what is remembered has to last for that long at the same rate.
        """
        default = cls()
        more = max(0.0, seconds - default.hold_s)
        times = max(1.0, seconds / default.hold_s)
        return cls(
            hold_s=seconds,
            idle_s=default.idle_s + more,
            total_s=default.total_s + more,
            word_age_s=max(_WORD_AGE_LEAST_S, default.word_age_s * seconds / default.hold_s),
            hold_packets=round(default.hold_packets * times),
            word_packets=round(default.word_packets * times),
            remembered_packets=round(default.remembered_packets * times),
        )
