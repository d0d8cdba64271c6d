# SPDX-License-Identifier: Apache-2.0
"""The commands that need no lab: hints where there is none, config check, token, and a fresh clone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lab.processes import REPOSITORY
from lab.typed import COMMAND_VARIABLE, typed
from tests.support.castover_command import run
from topology.load import parse_topology


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


def test_the_files_of_rest_are_checked_as_the_controller_does(tmp_path: Path) -> None:
    topology = tmp_path / "topology.yaml"
    section = (
        "\nrest:\n  tls: {certificate: secret, key: secret}\n"
        "  webhooks: [{name: w, url: 'http://127.0.0.1:9/', secret_file: secret}]\n"
    )
    topology.write_text((REPOSITORY / "topology.yaml").read_text(encoding="utf-8") + section, encoding="utf-8")
    later = run("config", "check", str(topology))
    assert (later.exit_code, "but secret is not there yet" in later.output) == (0, True)
    (tmp_path / "secret").write_text("too short")
    done = run("config", "check", str(topology))
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert [line.split(": found")[0] for line in lines] == [
        f"{topology}: rest.tls.certificate", f"{topology}: rest.webhooks[0].secret_file"
    ]
    refused = subprocess.run(
        [sys.executable, "-m", "apps", "--topology", topology], cwd=REPOSITORY, capture_output=True, text=True, timeout=20,
        check=False,
    )
    assert refused.returncode == 2
    assert [line for line in refused.stderr.splitlines() if "rest." in line] == [
        line.removeprefix(f"{topology}: ") for line in lines
    ]


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
    done = run("token", "predictor", "--role", "trigger")
    assert done.exit_code == 0
    made = done.stderr.split(": ")[1].strip()
    # What is printed goes to the end of a topology as it is, and lets this token in.
    domain = parse_topology((REPOSITORY / "topology.yaml").read_text() + "\n" + done.stdout, "topology.yaml")
    (found,) = domain.rest.tokens
    assert (found.name, found.role, found.sha256) == ("predictor", "trigger", hashlib.sha256(made.encode()).digest())
    assert made not in done.stdout
    assert run("token", "predictor").stderr != done.stderr


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
