# SPDX-License-Identifier: Apache-2.0
"""Which labs there are, which of them are taken down, and what a hint says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lab import demo
from lab.errors import LabError
from lab.inventory import labs_on_record
from lab.key_check import require_keys
from lab.plan import Node
from lab.processes import REPOSITORY, process_start_time
from lab.state import LabState, claim_lab_folder, save_state
from tests.support.castover_command import run
from topology.load import load_topology

NOBODY = 2**22 + 1
"""Above the greatest process id of Linux (proc(5), pid_max)."""


def record(name: str, *, topology: str = "/a/topology.yaml", **owner: int) -> None:
    claim_lab_folder(name)
    nodes = (Node(name="lma", kind="lma", namespace=f"{name}-no-such-namespace"),)
    save_state(LabState(name=name, topology=topology, nodes=nodes, **owner))


def checkout(folder: Path) -> Path:
    """A topology file in a folder of its own, of a domain of the same name as all others."""
    folder.mkdir()
    text = (REPOSITORY / "topology.yaml").read_text(encoding="utf-8")
    (folder / "topology.yaml").write_text(text.replace("name: castover", "name: twice"), encoding="utf-8")
    return folder / "topology.yaml"


def test_no_lab(labs: Path) -> None:
    assert run("lab", "list").output == "no lab is up\n"
    assert run("lab", "down", "--all").output == "no lab is up: nothing to do\n"


def test_labs_are_listed_with_what_has_become_of_them(labs: Path) -> None:
    me = os.getpid()
    record("a-demo-1", owner_pid=NOBODY, owner_start_time=1)
    record("b-demo-2", owner_pid=me, owner_start_time=process_start_time(me) or 0)
    record("c-demo-3", owner_pid=me, owner_start_time=1)  # the id belongs to somebody else by now
    record("mine")
    claim_lab_folder("torn")
    listed = {lab["name"]: lab for lab in json.loads(run("lab", "list", "--json").output)}
    assert [name for name, lab in listed.items() if lab["abandoned"]] == ["a-demo-1", "c-demo-3"]
    assert listed["torn"]["condition"] == "left over: its build was killed"
    assert listed["mine"]["condition"] == "incomplete: 0 of 1 namespaces"
    said = run("lab", "list").output
    assert f"left over: process {NOBODY}, which built it, is dead" in said
    assert "take one down: castover lab down --name a-demo-1" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="taking a lab down needs root")
def test_all_labs_are_taken_down_but_those_in_use(labs: Path) -> None:
    me = os.getpid()
    record("used", owner_pid=me, owner_start_time=process_start_time(me) or 0)
    record("mine")
    claim_lab_folder("torn")
    said = run("lab", "down", "--all").output
    assert f"lab used is in use by process {me}" in said
    assert [lab.name for lab in labs_on_record()] == ["used"]
    assert run("lab", "down", "--all", "--name", "used").exit_code == 2
    run("lab", "down", "--all", "--force")
    assert labs_on_record() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="taking a lab down needs root")
@pytest.mark.parametrize("words", [
    ("--topology", "theirs/topology.yaml"), ("--topology", "link.yaml"), ("--force",), ("--name", "twice"), ("--all",),
])
def test_a_lab_of_another_file_is_taken_down_only_when_it_is_meant(
    labs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    ours, theirs = checkout(tmp_path / "ours"), checkout(tmp_path / "theirs")
    (tmp_path / "link.yaml").symlink_to(theirs)
    record("twice", topology=str(theirs))
    monkeypatch.chdir(ours.parent)
    refused = run("lab", "down")
    assert refused.exit_code == 1
    assert f"lab 'twice' was built from another file, {theirs}, not from {ours}; if it is to go: " in refused.output
    assert f"castover lab down --topology {theirs}, or --force" in refused.output
    assert [lab.name for lab in labs_on_record()] == ["twice"]
    with pytest.raises(LabError, match=f"is up already, built from {theirs}; take it down first"):
        claim_lab_folder("twice")
    meant = [str(tmp_path / word) if word.endswith(".yaml") else word for word in words]
    assert "lab twice is down" in run("lab", "down", *meant).output
    assert labs_on_record() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="taking a lab down needs root")
@pytest.mark.parametrize("left", ["", "gone", "torn"])
def test_a_lab_whose_file_is_not_there_can_be_taken_down(labs: Path, tmp_path: Path, left: str) -> None:
    ours = checkout(tmp_path / "ours")
    if left == "torn":
        claim_lab_folder("twice")
    else:
        record("twice", topology=str(tmp_path / left / "topology.yaml") if left else "")
    assert "lab twice is down" in run("lab", "down", "--topology", str(ours)).output
    assert labs_on_record() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="taking a lab down needs root")
def test_the_demo_removes_what_a_killed_demo_left_and_nothing_else(labs: Path) -> None:
    record("a-demo-1", owner_pid=NOBODY, owner_start_time=1)
    record("a-bench-1", owner_pid=NOBODY, owner_start_time=1)
    record("a-demo-2")
    said: list[str] = []
    demo.remove_abandoned_demos(said.append)
    assert said == [f"removing lab a-demo-1, which a demo that was killed (process {NOBODY}) has left"]
    assert [lab.name for lab in labs_on_record()] == ["a-bench-1", "a-demo-2"]


def test_a_lab_is_not_begun_with_keys_that_no_process_would_take(tmp_path: Path) -> None:
    topology = tmp_path / "topology.yaml"
    text = (REPOSITORY / "topology.yaml").read_text(encoding="utf-8")
    topology.write_text(text.replace("  dialect:", "  mobility_key_file: keys\n  dialect:", 1), encoding="utf-8")
    (tmp_path / "keys").touch()
    with pytest.raises(LabError, match="found no key of lma with mag1, mag2"):
        require_keys(load_topology(topology), topology)


def test_a_hint_follows_a_sentence() -> None:
    assert str(LabError("This asks for a token.", "give one")) == "This asks for a token; give one"
    assert str(LabError("This asks for a token.")) == "This asks for a token."
