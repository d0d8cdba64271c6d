# SPDX-License-Identifier: Apache-2.0
"""The ways in which the demo can move a mobile node. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoMode:
    """One way."""

    announced: str | None = None
    """Mode of the handover that is asked for ahead of the move; None: the node moves unannounced."""
    attach_mode: str | None = None
    """`domain.attach_mode` of the lab; None: what the topology says."""
    followed: bool = False
    """Whether a handover that nobody asked for comes of the move, and is waited for."""
    words: str


PREDICTIVE, PLAIN = "predictive", "plain"

MODES = {
    PREDICTIVE: DemoMode(announced="predictive", words="groups are forwarded to the new MAG ahead of the move"),
    PLAIN: DemoMode(words="PMIPv6 only"),
    "reactive": DemoMode(
        attach_mode="reactive", followed=True, words="the new MAG asks the previous one after the move (RFC 5949)",
    ),
    "join": DemoMode(announced="join", words="the context goes ahead, the new MAG joins at the LMA, nothing is kept"),
    "context-transfer": DemoMode(
        attach_mode="context-transfer", words="PMIPv6, the context is fetched after the move (RFC 4067)",
    ),
    "rejoin": DemoMode(attach_mode="query", words="PMIPv6, MLD query after the move"),
}
"""By the name that `--mode` takes."""


def origin(mode: str) -> str:
    """What the steps' times count from, in words."""
    return "HO-Initiate" if MODES[mode].announced else "the request"
