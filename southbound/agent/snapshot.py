# SPDX-License-Identifier: Apache-2.0
"""An immutable picture of one MAG's core: what logs and tests compare. Values of enums appear as their words."""

from __future__ import annotations

from dataclasses import dataclass

from southbound.mld.membership import GroupMembership


@dataclass(frozen=True, slots=True, kw_only=True)
class MagSnapshot:
    """Everything that a MAG knows of its MNs, by MN-ID; counters are not part of it."""

    attached: tuple[str, ...]
    memberships: dict[str, tuple[GroupMembership, ...]]
    """Of the MNs that are attached."""
    bindings: dict[str, str]
    """State of each entry of the Binding Update List."""
    leaving: dict[str, tuple[tuple[str, str], ...]]
    """(handover id, state) of each handover of each MN on its way to another MAG, or to one of several."""
    arriving: dict[str, tuple[str, str]]
    """(handover id, state) of each MN that is coming, or has come and is not served by the switch alone yet."""
    outstanding: tuple[str, ...]
    """Tokens of the HandoverInitiates, and of the releases, that wait for their answer."""
