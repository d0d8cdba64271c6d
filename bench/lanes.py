# SPDX-License-Identifier: Apache-2.0
"""What is compared: each lane is one way to keep a listener's stream alive while it moves. Data only.

A lane is a row of `LANES`: a system that carries the group (`bench.systems`), the settings of the domain it runs with,
and whether the move is announced first. A row whose settings this version of Castover does not know is skipped and
said to be not available (`missing_feature`), so that a row may be written before the feature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CASTOVER, SNOOPING, STATIC = "castover", "ovs-snooping", "smcroute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One way to serve a listener that moves."""

    name: str
    title: str
    """What the reader of the table sees."""
    system: str
    """CASTOVER, SNOOPING or STATIC."""
    domain: Mapping[str, Any] = field(default_factory=dict)
    """Added to `domain:` of topology.yaml."""
    in_policy_store: bool = False
    """Whether the mobile node's profile names the group."""
    announced: bool = False
    """Whether the handover is asked for before the move."""
    mode: str = "predictive"
    """Of a handover that is asked for."""
    followed: bool = False
    """Whether a handover that was not announced shows up in REST after the attach, and is waited for."""


LANES: tuple[Lane, ...] = (
    Lane(name="smcroute", title="static to both MAGs (smcroute)", system=STATIC),
    Lane(name="predictive", title="Castover predictive", system=CASTOVER, announced=True),
    Lane(
        name="reactive", title="Castover reactive (RFC 5949)", system=CASTOVER, domain={"attach_mode": "reactive"},
        followed=True,
    ),
    Lane(
        name="join", title="context ahead, then join at the LMA", system=CASTOVER, announced=True,
        mode="join",
    ),
    Lane(
        name="plain-context-transfer", title="PMIPv6, context transfer after attach (RFC 4067)", system=CASTOVER,
        domain={"attach_mode": "context-transfer"},
    ),
    Lane(name="plain", title="PMIPv6, groups from the policy store", system=CASTOVER, in_policy_store=True),
    Lane(
        name="rejoin", title="PMIPv6, MLD query after attach", system=CASTOVER, domain={"attach_mode": "query"},
    ),
    Lane(name="ovs-snooping", title="Open vSwitch multicast snooping", system=SNOOPING),
)
"""From the least interruption to be expected to the greatest: the order of the table and of the picture."""


def lanes_named(names: str | None) -> tuple[Lane, ...]:
    """The lanes of a comma-separated list in the order of LANES; all for None. Raises ValueError naming the choice."""
    if names is None:
        return LANES
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    known = {lane.name for lane in LANES}
    if not wanted or wanted - known:
        fault = f"{', '.join(sorted(wanted - known))} is no lane" if wanted else "no lane is named"
        raise ValueError(f"{fault}; allowed: {', '.join(lane.name for lane in LANES)}")
    return tuple(lane for lane in LANES if lane.name in wanted)
