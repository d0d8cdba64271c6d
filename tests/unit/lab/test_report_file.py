# SPDX-License-Identifier: Apache-2.0
"""Where `--json FILE` writes, and `castover trace` into a file or a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from lab.demo_cli import prepare_output, write_report
from lab.errors import LabError
from tests.support.castover_command import run
from tests.support.stand_in import StandIn, stand_in

FACTS = [
    {"node": "mag1", "name": "HI", "at": 100.5, "fields": {"handover_id": "ho-1", "peer": "mag2"}},
    {"node": "lma-of-a-long-name", "name": "PBU", "at": 100.75, "fields": {}},
]


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as found:
        found.script["GET /v1/handovers/ho-1/trace"] = [
            (200, {"handover_id": "ho-1", "facts": FACTS, "missing": [], "left_out": 0}),
        ]
        yield found


def trace(server: StandIn, *words: str) -> Result:
    return run("trace", "ho-1", "--rest", server.url, *words)


def test_a_trace_in_a_pipe_is_a_line_a_fact_without_blanks_at_the_end(server: StandIn) -> None:
    done = trace(server)
    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.output.splitlines()[2:]] == [
        ["0.00", "mag1", "HI", "handover_id=ho-1", "peer=mag2"], ["250.00", "lma-of-a-long-name", "PBU"],
    ]
    assert all(line == line.rstrip() for line in done.output.splitlines())


def test_folders_of_a_result_are_made_by_all_commands(server: StandIn, tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "trace.json"
    assert trace(server, "--json", str(file)).exit_code == 0
    assert json.loads(file.read_text())["handover_id"] == "ho-1"
    report = tmp_path / "c" / "d" / "report.json"
    prepare_output(None, report)
    write_report(report, [], complete=False)
    assert json.loads(report.read_text())["runs"] == []


def test_what_is_in_the_way_of_a_result_is_one_line(server: StandIn, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked = tmp_path / "file" / "trace.json"
    done = trace(server, "--json", str(blocked))
    assert done.exit_code == 1
    assert done.output == f"Error: {blocked} cannot be written: {tmp_path / 'file'} is no folder\n"
    for refused in (lambda: prepare_output(None, blocked), lambda: write_report(blocked, [], complete=True)):
        with pytest.raises(LabError, match=r"cannot be written: .*/file is no folder$"):
            refused()
