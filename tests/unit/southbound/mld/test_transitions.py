# SPDX-License-Identifier: Apache-2.0
"""RFC 3810 section 7.4 row by row, through the public listener. Every expected value is worked out by hand.

Sources are letters: `a` is 2001:db8::a and so on. State before: built by reports at time 0. The record comes at time
100, so that a timer that was restarted (360) differs from one that was kept (260) and from one that was lowered (102).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

import pytest

from southbound.codec.iana import Mldv2RecordType
from southbound.mld.group_record import GroupRecord
from southbound.mld.membership import FilterMode
from southbound.mld.parameters import MldParameters
from southbound.mld.transitions import TABLE

IS_IN, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK = (
    Mldv2RecordType.MODE_IS_INCLUDE, Mldv2RecordType.MODE_IS_EXCLUDE, Mldv2RecordType.CHANGE_TO_INCLUDE_MODE,
    Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE, Mldv2RecordType.ALLOW_NEW_SOURCES, Mldv2RecordType.BLOCK_OLD_SOURCES,
)
GROUP = IPv6Address("ff1e::101")
KEPT, RESTARTED, LOWERED = 260.0, 360.0, 102.0
"""Set at 0 to MALI = 2 * 125 + 10; set at 100 to MALI; lowered at 100 to LLQT = 2 * 1."""


def addresses(letters: str) -> frozenset[IPv6Address]:
    return frozenset(IPv6Address(f"2001:db8::{letter}") for letter in letters)


def letters(sources: object) -> str:
    return "".join(sorted(str(source)[-1] for source in sources))  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Row:
    mode: str
    """State before: 'INCLUDE' or 'EXCLUDE'."""
    requested: str
    excluded: str = ""
    record: Mldv2RecordType
    sources: str
    new_mode: str
    new_requested: dict[str, float]
    """Source and when its timer runs out."""
    new_excluded: str = ""
    filter_timer: float | None = None
    queries: tuple[tuple[str, bool], ...] = ()
    """(sources, S flag) of each query that leaves at once; '' = for the whole address."""


ROWS = [
    Row(mode="INCLUDE", requested="ab", record=IS_IN, sources="bc",
        new_mode="INCLUDE", new_requested={"a": KEPT, "b": RESTARTED, "c": RESTARTED}),
    Row(mode="INCLUDE", requested="ab", record=IS_EX, sources="bc",
        new_mode="EXCLUDE", new_requested={"b": KEPT}, new_excluded="c", filter_timer=RESTARTED),
    Row(mode="EXCLUDE", requested="ab", excluded="cd", record=IS_IN, sources="bce",
        new_mode="EXCLUDE", new_requested={"a": KEPT, "b": RESTARTED, "c": RESTARTED, "e": RESTARTED},
        new_excluded="d", filter_timer=KEPT),
    Row(mode="EXCLUDE", requested="ab", excluded="cd", record=IS_EX, sources="bce",
        new_mode="EXCLUDE", new_requested={"b": KEPT, "e": RESTARTED}, new_excluded="c", filter_timer=RESTARTED),
    Row(mode="INCLUDE", requested="ab", record=ALLOW, sources="bc",
        new_mode="INCLUDE", new_requested={"a": KEPT, "b": RESTARTED, "c": RESTARTED}),
    Row(mode="INCLUDE", requested="ab", record=BLOCK, sources="bc",
        new_mode="INCLUDE", new_requested={"a": KEPT, "b": LOWERED}, queries=(("b", False),)),
    Row(mode="INCLUDE", requested="ab", record=TO_EX, sources="bc",
        new_mode="EXCLUDE", new_requested={"b": LOWERED}, new_excluded="c", filter_timer=RESTARTED,
        queries=(("b", False),)),
    Row(mode="INCLUDE", requested="ab", record=TO_IN, sources="bc",
        new_mode="INCLUDE", new_requested={"a": LOWERED, "b": RESTARTED, "c": RESTARTED}, queries=(("a", False),)),
    Row(mode="EXCLUDE", requested="ab", excluded="cd", record=ALLOW, sources="bce",
        new_mode="EXCLUDE", new_requested={"a": KEPT, "b": RESTARTED, "c": RESTARTED, "e": RESTARTED},
        new_excluded="d", filter_timer=KEPT),
    # e gets the filter timer (260), and like b is then lowered by the query
    Row(mode="EXCLUDE", requested="ab", excluded="cd", record=BLOCK, sources="bce",
        new_mode="EXCLUDE", new_requested={"a": KEPT, "b": LOWERED, "e": LOWERED}, new_excluded="cd",
        filter_timer=KEPT, queries=(("be", False),)),
    Row(mode="EXCLUDE", requested="ab", excluded="cd", record=TO_EX, sources="bce",
        new_mode="EXCLUDE", new_requested={"b": LOWERED, "e": LOWERED}, new_excluded="c", filter_timer=RESTARTED,
        queries=(("be", False),)),
    Row(mode="EXCLUDE", requested="ab", excluded="cd", record=TO_IN, sources="bce",
        new_mode="EXCLUDE", new_requested={"a": LOWERED, "b": RESTARTED, "c": RESTARTED, "e": RESTARTED},
        new_excluded="d", filter_timer=LOWERED, queries=(("a", False), ("", False))),
    # into the state of a group without record: a fresh context (protocol reference section 5.2, last line)
    Row(mode="INCLUDE", requested="", record=IS_IN, sources="ab",
        new_mode="INCLUDE", new_requested={"a": RESTARTED, "b": RESTARTED}),
    Row(mode="INCLUDE", requested="", record=IS_EX, sources="ab",
        new_mode="EXCLUDE", new_requested={}, new_excluded="ab", filter_timer=RESTARTED),
    Row(mode="INCLUDE", requested="", record=TO_IN, sources="", new_mode="INCLUDE", new_requested={}),
    Row(mode="INCLUDE", requested="", record=BLOCK, sources="ab", new_mode="INCLUDE", new_requested={}),
    # nothing to ask for: no query without sources is mistaken for a query of the whole address
    Row(mode="INCLUDE", requested="a", record=BLOCK, sources="b", new_mode="INCLUDE", new_requested={"a": KEPT}),
    Row(mode="EXCLUDE", requested="", excluded="c", record=TO_EX, sources="c",
        new_mode="EXCLUDE", new_requested={}, new_excluded="c", filter_timer=RESTARTED),
]


def state_before(row: Row) -> GroupRecord:
    record = GroupRecord(GROUP, MldParameters())
    if row.mode == "EXCLUDE":
        record.apply(IS_EX, addresses(row.excluded), 0.0)
    record.apply(IS_IN, addresses(row.requested), 0.0)
    assert record.filter_mode.name == row.mode
    assert (letters(record.requested), letters(record.excluded)) == (row.requested, row.excluded)
    return record


def timers(record: GroupRecord) -> tuple[dict[str, float], float | None]:
    """When each source and EXCLUDE mode would end, found by letting time pass."""
    ends: dict[str, float] = {}
    filter_end: float | None = None
    for until in (LOWERED, KEPT, RESTARTED):
        held, mode = letters(record.requested), record.filter_mode
        record.expire(until - 0.001)
        assert (letters(record.requested), record.filter_mode) == (held, mode)
        record.expire(until)
        ends |= dict.fromkeys(set(held) - set(letters(record.requested)), until)
        if record.filter_mode is not mode:
            filter_end = until
    assert record.is_empty
    return ends, filter_end


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.mode}({row.requested},{row.excluded})+"
                                                      f"{row.record.name}({row.sources})")
def test_row(row: Row) -> None:
    record = state_before(row)
    queries = record.apply(row.record, addresses(row.sources), 100.0)
    assert record.filter_mode is FilterMode[row.new_mode]
    assert letters(record.requested) == "".join(sorted(row.new_requested))
    assert letters(record.excluded) == row.new_excluded
    assert tuple((letters(query.sources), query.suppress) for query in queries) == row.queries
    assert all((query.group, query.max_response_ms) == (GROUP, 1000) for query in queries)
    assert timers(record) == (row.new_requested, row.filter_timer)


def test_table_has_every_mode_with_every_type() -> None:
    assert set(TABLE) == {(mode, record_type) for mode in FilterMode for record_type in Mldv2RecordType}
    assert {(FilterMode[row.mode], row.record) for row in ROWS} == set(TABLE)
