# SPDX-License-Identifier: Apache-2.0
"""From what a cell recorded to its verdict, on streams whose packets are counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.exactly_once.cells import CELLS, Cell, LeaveAt, Parts, Promise
from bench.exactly_once.copies import copies_of
from bench.exactly_once.domain import write_domain
from bench.exactly_once.memory import MemorySample, growth
from bench.exactly_once.moves import CellRecords, Move, Together
from bench.exactly_once.result import cell_result, kept
from bench.exactly_once.table import line_of, render_table
from bench.system import Outcome
from lab.stream import StreamRecords
from lab.stream_format import PAYLOAD_HEADER, Record
from tests.unit.bench.test_bench_lanes import TOPOLOGY

MS = 1_000_000
START = 1_000_000 * MS
CELL = Cell(name="paths-0-draft", section="The native path against the tunnel's", title="here", handovers=2)


def step(number: int, name: str, at_ms: float) -> dict[str, Any]:
    return {"step": number, "name": name, "node": "mag1", "at": (START / MS + at_ms) / 1000}


def together(number: int, *, left_ms: int, confirmed_ms: float, gap_ms: int = 50) -> Together:
    """The handover asked for at 100, 500, ... ms: HAck 5 ms later, HI(F) 8 ms later."""
    at_ms = 100 + 400 * number
    steps = [
        step(3, "HAck", at_ms + 5), step(4, "HI(F)", at_ms + 8), step(4, "HAck to HI(F)", at_ms + confirmed_ms),
    ]
    move = Move(
        left_ns=START + (at_ms + left_ms) * MS, arrived_ns=START + (at_ms + left_ms + gap_ms) * MS,
        outcome=Outcome(handover_id=f"ho-{number}", steps=steps),
    )
    mags = ("mag1", "mag2") if number % 2 == 0 else ("mag2", "mag1")
    return Together(previous_mag=mags[0], new_mag=mags[1], requested_ns=START + at_ms * MS, moves={"mn1": move})


def records(handovers: list[Together], received: list[int], cell: Cell = CELL, **changes: Any) -> CellRecords:
    """One packet a ms for 1 s; they arrive in this order."""
    sent = [Record(sequence=number, time_ns=START + number * MS) for number in range(1000)]
    heard = [Record(sequence=number, time_ns=START + place * MS) for place, number in enumerate(received)]
    values: dict[str, Any] = {
        "cell": cell, "handovers": handovers, "movers": ("mn1",), "stayers": (), "memory": (), "transport": None,
        "stream": StreamRecords(
            sent=sent, received={"mn1": heard, "mn2": heard}, source_report={}, sink_reports={"mn1": {}},
        ),
        "start_ns": START, "end_ns": START + 1000 * MS, "capture_drops": 0,
    }
    return CellRecords(**{**values, **changes})


ALL = list(range(1000))
SOON = [together(0, left_ms=20, confirmed_ms=12), together(1, left_ms=20, confirmed_ms=12)]


def test_a_stream_without_a_fault_keeps_the_promise() -> None:
    result = cell_result(records(SOON, ALL), None)
    (part,) = result["parts"]
    assert (part["moves"], part["lost"], part["duplicated"], part["reordered"], part["kept"]) == (2, 0, 0, 0, True)
    assert result["moves"] == []
    assert kept(result)


@pytest.mark.parametrize(
    ("received", "found"),
    [
        ([*ALL[:130], *ALL[131:]], (1, 0, 0)),
        ([*ALL[:130], 129, *ALL[130:]], (0, 1, 0)),
        ([*ALL[:130], 131, 130, *ALL[132:]], (0, 0, 1)),
    ],
)
def test_a_single_packet_breaks_it_and_its_move_is_told(received: list[int], found: tuple[int, int, int]) -> None:
    result = cell_result(records(SOON, received), None)
    (part,) = result["parts"]
    assert (part["lost"], part["duplicated"], part["reordered"]) == found
    assert not kept(result)
    assert [told["number"] for told in result["moves"]] == [1]
    assert "NOT AS PROMISED" in "".join(line_of({**result, "name": CELL.name}))


def test_who_leaves_before_the_clone_may_lose_what_was_sent_until_then() -> None:
    cell = replace(CELL, parts=Parts.LEFT, leave_at=LeaveAt.REQUEST)
    handovers = [together(0, left_ms=2, confirmed_ms=12.5), together(1, left_ms=6, confirmed_ms=12.5)]
    # 10.5 ms before the clone, and 5 ms for the data path to follow: 16 packets at most.
    for lost, is_kept in ((16, True), (17, False)):
        result = cell_result(records(handovers, [*ALL[:102], *ALL[102 + lost :]], cell), None)
        by_title = {part["title"]: part for part in result["parts"]}
        assert {title: part["moves"] for title, part in by_title.items()} == {
            "left before HAck": 1, "left between HAck and HI(F)": 1,
        }
        assert by_title["left before HAck"]["lost"] == lost
        assert by_title["left before HAck"]["kept"] is is_kept


def test_one_in_ten_thousand_may_be_out_of_place_at_ten_times_the_rate() -> None:
    late = [*ALL[:130], 131, 130, *ALL[132:]]
    cell = replace(CELL, promise=Promise.RATIO)
    assert not kept(cell_result(records(SOON, late, cell), None)), "1 of 900"


def test_paths_are_told_apart_by_the_way_there_and_back() -> None:
    result = cell_result(records(SOON, ALL, replace(CELL, parts=Parts.PATHS, second_mag_ms=20.0)), None)
    assert [part["title"] for part in result["parts"]] == ["native path 20 ms faster", "native path 20 ms slower"]


def test_a_listener_that_stays_must_lose_nothing_either() -> None:
    changes = {"stayers": ("mn2",)}
    assert kept(cell_result(records(SOON, ALL, **changes), None))
    assert not kept(cell_result(records(SOON, [*ALL[:300], *ALL[301:]], **changes), None))


def test_a_packet_that_goes_through_a_tunnel_twice_is_found() -> None:
    def row(source: str, number: int) -> tuple[str, str, str]:
        return f"{source},2001:db8::1", "2001:db8:ff::12,ff1e::101", PAYLOAD_HEADER.pack(number, 0).hex()

    once = [row("lma", 1), row("lma", 2), row("mag1", 1)]
    assert copies_of(once) == {"packets": 3, "most": 1, "repeated": 0}
    assert copies_of([*once, row("mag1", 1), ("lma", "mag1", "00")]) == {"packets": 3, "most": 2, "repeated": 1}
    assert not kept(cell_result(records(SOON, ALL), {"packets": 3, "most": 2, "repeated": 1}))


def test_memory_grows_when_the_second_half_of_the_run_needs_more() -> None:
    def samples(*kib: int) -> list[MemorySample]:
        return [MemorySample(handovers=number * 100, kib={"controller": size}) for number, size in enumerate(kib)]

    found = growth(samples(50_000, 60_000, 70_000, 70_100, 70_200))["controller"]
    assert (found["settled_kib"], found["end_kib"], found["handovers"], found["grows"]) == (70_000, 70_200, 200, False)
    growing = samples(50_000, 60_000, 70_000, 71_000, 72_000)
    assert growth(growing)["controller"]["grows"]
    assert not kept(cell_result(records(SOON, ALL, memory=growing), None))
    assert growth(samples(50_000)) == {}


def test_every_cell_has_a_name_of_its_own_and_a_topology_that_loads(tmp_path: Path) -> None:
    original = tmp_path / "topology.yaml"
    original.write_text(TOPOLOGY.read_text(encoding="utf-8"), encoding="utf-8")
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    for cell in CELLS:
        _, domain = write_domain(original, tmp_path, cell)
        assert len(domain.mobile_nodes) == cell.movers + cell.stayers
        assert {domain.dialect_towards(mag) for mag in domain.mags} == {cell.dialect}


def test_the_table_tells_what_is_missing() -> None:
    result = cell_result(records(SOON, ALL), None)
    measured = {"commit": "c" * 40, "uncommitted_changes": False, "load_before": [0.1, 0.1, 0.1]}
    document = {
        "started": "2026-01-01T12:00:00+00:00", "machine": {"cores": 2}, "complete": False, "failures": ["fast: no ground"],
        "cells": [{**result, "measured": measured}],
    }
    json.dumps(document, allow_nan=False)
    table = render_table(document)
    assert "Everything is as promised." in table
    assert "| here | draft | 2 |" in table
    assert "fast: no ground" in table
    assert "memory" in table.partition("## Not measured")[2]
