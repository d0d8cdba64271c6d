# SPDX-License-Identifier: Apache-2.0
"""From records to numbers, tables and the picture's data, on a move whose packets are counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.cell import Cell, CellRecords, HandoverRecord
from bench.control_plane import first_copy_after_barrier_ms, frames_of, preparation_ms, stretches_ms, summary
from bench.costs import Costs, add_transport_rows
from bench.listeners import LISTENERS
from bench.picture import chosen_cells
from bench.result import cell_result, late_reports
from bench.settings import write_topology
from bench.table import render_tables
from lab.stream import StreamRecords
from lab.stream_format import Record
from tests.unit.bench.test_bench_lanes import TOPOLOGY, lane

MS = 1_000_000
START = 1_000_000 * MS
GROUP = "ff1e::101"
LMA, MAG1, MAG2 = "2001:db8:ff::1", "2001:db8:ff::11", "2001:db8:ff::12"


def records(received: list[Record], handovers: list[HandoverRecord], **changes: Any) -> CellRecords:
    """One packet a ms for 1 s."""
    sent = [Record(sequence=number, time_ns=START + number * MS) for number in range(1000)]
    values: dict[str, Any] = {
        "cell": Cell(lane="plain", listener="asm", reports="flap", gap_ms=64.0, lma_delay_ms=0.0),
        "listener": LISTENERS["asm"], "mover": "mn1", "handovers": handovers,
        "stream": StreamRecords(
            sent=sent, received={"mn1": received}, source_report={"not_sent": 0}, sink_reports={"mn1": {}},
        ),
        "start_ns": START, "end_ns": START + 1000 * MS, "captures": (), "capture_drops": 0, "control_octets": 5,
    }
    return CellRecords(**{**values, **changes})


def move(at_ms: int, *, deaf_until_ms: int | None = None) -> HandoverRecord:
    return HandoverRecord(
        previous_mag="mag1", new_mag="mag2", requested_ns=START + at_ms * MS, left_ns=START + at_ms * MS,
        arrived_ns=START + (at_ms + 64) * MS, deaf=deaf_until_ms is not None,
        ended_ns=START + (deaf_until_ms or at_ms + 100) * MS,
    )


def heard(*gaps: range) -> list[Record]:
    return [
        Record(sequence=number, time_ns=START + number * MS) for number in range(1000)
        if not any(number in gap for gap in gaps)
    ]


def test_a_move_that_loses_eighty_packets() -> None:
    result = cell_result(records(heard(range(200, 280)), [move(200), move(600)]), Costs(), 5.0)
    first, second = result["handovers"]
    assert (first["lost"], first["interruption_ms"], first["radio_gap_ms"]) == (80, 81.0, 64.0)
    assert (second["lost"], second["interruption_ms"]) == (0, 1.0)
    assert result["totals"]["interruption_ms"] == {"p50": 1.0, "p95": 81.0, "p99": 81.0}
    assert result["totals"]["lost"] == 80


@pytest.mark.parametrize("delay_ms", [0, 20])
def test_what_was_on_the_way_when_the_link_went_down_is_lost_by_that_move(delay_ms: int) -> None:
    """A packet that was sent before the move and would have come during it: of the first move and of the last."""
    cell = Cell(lane="smcroute", listener="asm", reports="flap", gap_ms=64.0, lma_delay_ms=float(delay_ms))
    lost = [range(at - delay_ms, at + 64 - delay_ms) for at in (200, 600)]
    arrivals = [Record(sequence=one.sequence, time_ns=one.time_ns + delay_ms * MS) for one in heard(*lost)]
    found = records(arrivals, [move(200), move(600)], cell=cell, start_ns=START + 199 * MS)
    result = cell_result(found, Costs(), 5.0)
    assert [each["lost"] for each in result["handovers"]] == [64, 64]
    assert [each["interruption_ms"] for each in result["handovers"]] == [65.0, 65.0]


def test_a_deaf_move_is_endless_and_its_way_back_is_nobodys() -> None:
    result = cell_result(records(heard(range(200, 450)), [move(200, deaf_until_ms=400), move(600)]), Costs(), 0.2)
    deaf, fine = result["handovers"]
    assert (deaf["deaf"], deaf["lost"], deaf["interruption_ms"]) == (True, 200, None)
    assert fine["lost"] == 0
    assert result["totals"]["interruption_ms"] == {"p50": 1.0, "p95": None, "p99": None}
    json.dumps(result, allow_nan=False)


def test_the_picture_shows_the_median_move() -> None:
    result = cell_result(records(heard(range(200, 280)), [move(200)]), Costs(), 5.0)
    around = result["around"]
    assert around["radio_gap_ms"] == 64.0
    assert around["lost_ms"] == [float(number) for number in range(80)]
    assert around["arrivals_ms"][0] == -60.0
    assert not any(0 <= time < 80 for time in around["arrivals_ms"])


def test_a_host_that_reports_late_is_a_fault_of_the_measurement() -> None:
    found = records(heard(), [move(200), move(600)])
    in_time = [(START + 270 * MS) / 1e9, (START + 670 * MS) / 1e9]
    assert late_reports(found, in_time) == []
    (fault,) = late_reports(found, in_time[:1])
    assert fault.endswith("after 1 of 2 moves")


@pytest.fixture
def domain(tmp_path: Path) -> Any:
    return write_topology(TOPOLOGY, tmp_path, lane=lane("plain"), listener=None)[1]


def test_costs_are_told_apart_by_addresses(domain: Any) -> None:
    costs = Costs()
    source = "2001:db8:c0::10"
    add_transport_rows(costs, domain, LISTENERS["asm"].group, [
        ("0", "310", f"{LMA},{source}", f"{MAG1},{GROUP}", "", ""),
        ("0", "310", f"{MAG1},{source}", f"{MAG2},{GROUP}", "", ""),
        ("0", "310", f"{LMA},{source}", f"{MAG1},ff1e::999", "", ""),
        ("0", "120", MAG2, LMA, "5", ""),
        ("0", "148", f"{MAG2},fe80::1", f"{LMA},ff02::16", "", "143"),
        ("0", "86", "fe80::2", "ff02::1:ff00:1", "", "135"),
    ])
    assert (costs.from_lma.messages, costs.from_lma.octets) == (1, 310)
    assert (costs.between_mags.messages, costs.mobility.octets, costs.mld_inside.octets) == (1, 120, 148)
    assert (costs.signalling.messages, costs.signalling.octets) == (2, 268)


def document(*cells: dict[str, Any]) -> dict[str, Any]:
    return {
        "started": "2026-01-01T00:00:00+00:00", "complete": True, "machine": {"commit": "a" * 40, "load_before": [0.1]},
        "settings": {"rate_pps": 1000.0, "size": 200, "deaf_cap_s": 0.2, "deaf_handovers": 1}, "cells": list(cells),
        "lanes": [{"name": "join", "title": "join", "available": False, "reason": "not available: x"}],
    }


def test_the_table_says_deaf_in_words() -> None:
    deaf = cell_result(records(heard(range(200, 1000)), [move(200, deaf_until_ms=400)]), Costs(), 0.2)
    text = render_tables(document(deaf))
    assert "| > 200.0 | 0 | 0 | > 0.2 s | > 0.2 s | > 0.2 s | - |" in text
    assert "- join: not available: x" in text


def test_each_lane_is_set_against_castovers_predictive_handover() -> None:
    plain = cell_result(records(heard(range(200, 279)), [move(200)]), Costs(), 5.0)
    predictive = {**cell_result(records(heard(range(200, 239)), [move(200)]), Costs(), 5.0), "lane": "predictive"}
    deaf = {**cell_result(records(heard(range(200, 1000)), [move(200, deaf_until_ms=400)]), Costs(), 0.2), "lane": "rejoin"}
    lines = [line.split(" | ") for line in render_tables(document(predictive, plain, deaf)).splitlines()]
    column = next(line for line in lines if "p50 / Castover's" in line).index("p50 / Castover's")
    rows = [line for line in lines if len(line) > 2 and line[1] == "1"]
    assert [row[column] for row in rows] == ["1.00", "2.00", "> 5"]


def test_the_picture_has_lanes_in_the_tables_order() -> None:
    one = cell_result(records(heard(), [move(200)]), Costs(), 5.0)
    lanes, columns, cells = chosen_cells([{**one, "lane": "ovs-snooping"}, one, {**one, "gap_ms": 13.0}])
    assert lanes == ["plain", "ovs-snooping"]
    assert columns == [("asm", "flap")]
    assert len(cells) == 2


STEPS = [
    {"step": 1, "name": "HO-Initiate", "node": "p-MAG", "at": 10.0},
    {"step": 2, "name": "HI", "node": "p-MAG", "at": 10.001},
    {"step": 4, "name": "HAck to HI(F)", "node": "p-MAG", "at": 10.004},
    {"step": 6, "name": "MN left", "node": "p-MAG", "at": 10.1},
]


def test_preparation_ends_with_the_confirmed_clone() -> None:
    assert preparation_ms(STEPS) == pytest.approx(4.0)
    assert preparation_ms(STEPS[:2]) is None
    assert stretches_ms(STEPS) == pytest.approx({
        "1 HO-Initiate (p-MAG) -> 2 HI (p-MAG)": 1.0, "2 HI (p-MAG) -> 4 HAck to HI(F) (p-MAG)": 3.0,
    })
    assert stretches_ms(STEPS[:2]) == {}


def test_the_first_copy_is_told_against_the_second_hack() -> None:
    frames = frames_of([
        ("1.000", MAG1, MAG2, "14"), ("1.001", MAG2, MAG1, "15"), ("1.002", MAG2, MAG1, "14"),
        ("1.0035", f"{MAG1},2001:db8:c0::10", f"{MAG2},{GROUP}", ""), ("1.004", MAG1, MAG2, "15"),
        ("1.005", f"{MAG1},2001:db8:c0::10", f"{MAG2},{GROUP}", ""),
    ], GROUP)
    assert first_copy_after_barrier_ms(frames, MAG1, MAG2, 1.0, 2.0) == pytest.approx(-0.5)
    assert first_copy_after_barrier_ms(frames, MAG1, MAG2, 2.0, 3.0) is None
    assert first_copy_after_barrier_ms(frames, MAG2, MAG1, 1.0, 2.0) is None


def test_a_summary_of_nothing() -> None:
    assert summary([]) == {"n": 0, "p50": None, "p95": None, "p99": None, "max": None}
    assert summary([3.0, 1.0, 2.0]) == {"n": 3, "p50": 2.0, "p95": 3.0, "p99": 3.0, "max": 3.0}
