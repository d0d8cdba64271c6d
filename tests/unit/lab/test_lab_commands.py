# SPDX-License-Identifier: Apache-2.0
"""The commands that need no lab: which labs there are, what hints say, checking a topology."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.__main__ import castover
from lab import demo, inventory, state
from lab.errors import LabError
from lab.inventory import labs_on_record
from lab.key_check import require_keys
from lab.plan import Node
from lab.processes import process_start_time
from lab.state import LabState, claim_lab_folder, save_state
from lab.typed import COMMAND_VARIABLE, typed
from topology.load import load_topology, parse_topology

REPOSITORY = Path(__file__).resolve().parents[3]
NOBODY = 2**22 + 1
"""Above the greatest process id of Linux (proc(5), pid_max)."""


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty /run/castover of our own."""
    for module in (state, inventory):
        monkeypatch.setattr(module, "RUN_FOLDER", tmp_path / "labs")
    monkeypatch.delenv(COMMAND_VARIABLE, raising=False)
    return tmp_path / "labs"


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


def run(*words: str) -> Any:
    return CliRunner().invoke(castover, words)


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


def test_hints_are_what_has_to_be_typed(labs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert typed("lab", "up") == "castover lab up"
    topology = tmp_path / "my topology.yaml"
    topology.write_text((REPOSITORY / "topology.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv(COMMAND_VARIABLE, "./castover")
    refused = run("handover", "--topology", str(topology), "mn1", "mag2")
    assert refused.exit_code == 1
    assert f"; ./castover lab up --topology '{topology}', or name the API" in refused.output
    monkeypatch.chdir(REPOSITORY)
    assert "; ./castover lab up, or name the API" in run("handover", "mn1", "mag2").output


def test_where_the_api_of_containers_is_is_said(labs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    topology = REPOSITORY / "deploy" / "containers" / "topology.yaml"
    refused = run("trace", "--topology", str(topology), "last")
    assert refused.exit_code == 1
    assert refused.output.endswith("or name the API: --rest http://[fd00:ca57::1]:8080\n")
    monkeypatch.chdir(tmp_path)
    for words in (("trace", "last"), ("handover", "mn1", "mag2")):
        refused = run(*words)
        assert refused.exit_code == 1
        mend = "name the file with --topology FILE, or the API: --rest URL"
        assert refused.output.endswith(f"topology.yaml does not exist; {mend}\n")


def test_a_topology_is_checked(tmp_path: Path) -> None:
    good = run("config", "check", str(REPOSITORY / "topology.yaml"))
    assert (good.exit_code, "2 MAGs" in good.output) == (0, True)
    wrong = tmp_path / "topology.yaml"
    wrong.write_text("castover: 7\n", encoding="utf-8")
    bad = run("config", "check", str(wrong))
    assert bad.exit_code == 1
    assert f"{wrong}:1 castover: found 7" in bad.output
    assert run("config", "check", str(tmp_path / "nowhere.yaml")).exit_code == 1


def test_the_keys_of_a_topology_are_checked_with_it(tmp_path: Path) -> None:
    topology, keys = tmp_path / "topology.yaml", tmp_path / "keys"
    text = (REPOSITORY / "topology.yaml").read_text(encoding="utf-8")
    topology.write_text(text.replace("  dialect:", "  mobility_key_file: keys\n  dialect:", 1), encoding="utf-8")

    def checked() -> tuple[int, str]:
        done = run("config", "check", str(topology))
        return done.exit_code, done.output

    assert "but keys is not there yet" in checked()[1]
    keys.write_text("12" * 32)
    keys.chmod(0o644)
    code, output = checked()
    assert code == 0
    assert f"{topology}: warning: domain.mobility_key_file: {keys} has mode 0644" in output
    keys.write_text("00" * 32)
    refused = f"domain.mobility_key_file: {keys}:1: found a key of zeros only; allowed: one that nobody can guess"
    assert checked() == (1, f"{topology}: {refused}\n")


def test_a_lab_is_not_begun_with_keys_that_no_process_would_take(tmp_path: Path) -> None:
    topology = tmp_path / "topology.yaml"
    text = (REPOSITORY / "topology.yaml").read_text(encoding="utf-8")
    topology.write_text(text.replace("  dialect:", "  mobility_key_file: keys\n  dialect:", 1), encoding="utf-8")
    (tmp_path / "keys").touch()
    with pytest.raises(LabError, match="found no key of lma with mag1, mag2"):
        require_keys(load_topology(topology), topology)


def test_a_fresh_clone_says_what_to_do(tmp_path: Path) -> None:
    script = tmp_path / "castover"
    script.write_bytes((REPOSITORY / "castover").read_bytes())
    script.chmod(0o755)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (tools / "python3").chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["./castover", "demo"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=20, check=False,
    )
    assert (done.returncode, done.stderr) == (1, "castover is not installed yet: run make install\n")


def test_a_token_is_made_for_a_topology_and_said_once() -> None:
    done = CliRunner().invoke(castover, ["token", "predictor", "--role", "trigger"])
    assert done.exit_code == 0
    made = done.stderr.split(": ")[1].strip()
    # What is printed goes to the end of a topology as it is, and lets this token in.
    domain = parse_topology((REPOSITORY / "topology.yaml").read_text() + "\n" + done.stdout, "topology.yaml")
    (found,) = domain.rest.tokens
    assert (found.name, found.role, found.sha256) == ("predictor", "trigger", hashlib.sha256(made.encode()).digest())
    assert made not in done.stdout
    assert CliRunner().invoke(castover, ["token", "predictor"]).stderr != done.stderr


@pytest.mark.parametrize("name", ["", "A B", "x;rm", "x\n", "1a", 33 * "x"])
def test_a_name_that_no_topology_takes_gets_no_token(name: str) -> None:
    done = run("token", name)
    assert done.exit_code == 1
    assert done.output == (
        f"Error: NAME: found {name!r}; allowed: a name of 1 to 32 characters a-z, 0-9 and '-', starting with a letter\n"
    )


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run("--version").output == f"castover, version {project['version']}\n"


def test_a_hint_follows_a_sentence() -> None:
    assert str(LabError("This asks for a token.", "give one")) == "This asks for a token; give one"
    assert str(LabError("This asks for a token.")) == "This asks for a token."
