# SPDX-License-Identifier: Apache-2.0
"""Who moves the mobile nodes of containers: the radio, and while a demo runs only the demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from containers import turns
from containers.ground import ContainerGround
from containers.radio import InTurn
from containers.turns import all_moves, one_move
from lab import state
from lab.errors import LabError
from topology.load import load_topology

REPOSITORY = Path(__file__).resolve().parents[3]
NAME = load_topology(REPOSITORY / "topology.yaml").name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(state, "RUN_FOLDER", tmp_path)
    (tmp_path / NAME).mkdir()
    return tmp_path / NAME


def test_the_radio_moves_several_at_once_and_keeps_off_while_a_demo_runs(folder: Path) -> None:
    reach = InTurn(ContainerGround(load_topology(REPOSITORY / "topology.yaml")))
    with reach.mobile_node("mn1"), reach.mobile_node("mn2"):
        pass
    with all_moves(NAME), pytest.raises(LabError, match="a demo is running, and moves it itself"), one_move(NAME):
        pytest.fail("both moved")
    with reach.mobile_node("mn1"):
        pass


def test_a_demo_waits_for_a_move_under_way_and_not_for_another_demo(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_MOVE_UNDER_WAY_S", 0.1)
    with one_move(NAME), pytest.raises(LabError, match="another demo"), all_moves(NAME):
        pytest.fail("both moved")
    with all_moves(NAME):
        pass


def test_containers_that_are_not_up(folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(LabError, match="are they up"), one_move(NAME):
        pytest.fail("where?")
