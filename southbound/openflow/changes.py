# SPDX-License-Identifier: Apache-2.0
"""The smallest ordered list of modifications that takes a switch from what it has to what is wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from southbound.openflow.rules import Bucket, FlowRule, Group, SwitchRules

BUCKETS_PER_MESSAGE = 256
"""A message has at most 65,535 octets (OpenFlow 1.5.1 section 7.1.1); a tunnel bucket takes some 80 of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddGroup:
    """OFPGC_ADD."""

    group: Group


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceGroup:
    """OFPGC_MODIFY: only for a group of ours that somebody has given another type."""

    group: Group


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertBuckets:
    """OFPGC_INSERT_BUCKET: the other buckets of the group keep copying meanwhile."""

    group_id: int
    buckets: tuple[Bucket, ...]
    """All into tunnels, to be the last ones of the group, or none of them, to be the first (`Bucket.place`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveBucket:
    """OFPGC_REMOVE_BUCKET."""

    group_id: int
    bucket_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteGroup:
    """OFPGC_DELETE."""

    group_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFlow:
    """OFPFC_ADD: also replaces the actions of a flow with this table, priority and match, without a gap."""

    flow: FlowRule


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFlow:
    """OFPFC_DELETE_STRICT of our cookie."""

    flow: FlowRule


Change = AddGroup | ReplaceGroup | InsertBuckets | RemoveBucket | DeleteGroup | AddFlow | DeleteFlow


def plan(have: SwitchRules, want: SwitchRules) -> tuple[Change, ...]:
    """The changes in an order in which each may be applied by itself: groups before the flows that use them, flows
    gone before their groups. Deterministic; empty when `have == want`; nothing that is right already is named.
    """
    changes: list[Change] = []
    for group in sorted(want.groups, key=_group_order):
        changes.extend(_group_changes(have.group(group.group_id), group))
    # Later tables first: nothing is sent on to a table before that table knows what to do with it.
    added = (flow for flow in want.flows if (known := have.flow(flow.key)) is not flow and known != flow)
    changes.extend(AddFlow(flow=flow) for flow in sorted(added, key=_flow_order, reverse=True))
    gone = (flow for flow in have.flows if want.flow(flow.key) is None)
    changes.extend(DeleteFlow(flow=flow) for flow in sorted(gone, key=_flow_order))
    dead = (group for group in have.groups if want.group(group.group_id) is None)
    changes.extend(DeleteGroup(group_id=group.group_id) for group in sorted(dead, key=_group_order))
    return tuple(changes)


def _group_changes(have: Group | None, want: Group) -> list[Change]:
    if have is want:
        return []
    if have is None or not have.type_all:
        first, rest = _first_buckets(want)
        start: Change = AddGroup(group=first) if have is None else ReplaceGroup(group=first)
        return [start, *_insertions(want.group_id, rest)]
    # Removals first: a bucket whose actions have changed keeps its id, and an id may not be there twice.
    removed = _ordered(have.buckets - want.buckets)
    removals = [RemoveBucket(group_id=want.group_id, bucket_id=bucket.bucket_id) for bucket in removed]
    return [*removals, *_insertions(want.group_id, _ordered(want.buckets - have.buckets))]


def _first_buckets(group: Group) -> tuple[Group, list[Bucket]]:
    buckets = _ordered(group.buckets)
    return replace(group, buckets=frozenset(buckets[:BUCKETS_PER_MESSAGE])), buckets[BUCKETS_PER_MESSAGE:]


def _insertions(group_id: int, buckets: list[Bucket]) -> list[InsertBuckets]:
    kinds = [[bucket for bucket in buckets if bucket.tunnelled is tunnelled] for tunnelled in (False, True)]
    return [
        InsertBuckets(group_id=group_id, buckets=tuple(kind[start : start + BUCKETS_PER_MESSAGE]))
        for kind in kinds
        for start in range(0, len(kind), BUCKETS_PER_MESSAGE)
    ]


def _ordered(buckets: frozenset[Bucket]) -> list[Bucket]:
    return sorted(buckets, key=lambda bucket: bucket.place)


def _group_order(group: Group) -> int:
    return group.group_id


def _flow_order(flow: FlowRule) -> tuple[int, int, str]:
    return (flow.table_id, flow.priority, repr(flow.match))
