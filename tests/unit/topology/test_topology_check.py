# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes, and what goes to which stream."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from topology.check import main

REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_good_file_is_summed_up_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(REPOSITORY / "topology.yaml")]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.endswith(
        "topology.yaml: good: domain castover, 1 LMA, 2 MAGs, 2 mobile nodes, 1 source, dialect draft\n"
    )


def test_a_bad_file_is_told_on_the_error_stream(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text((REPOSITORY / "topology.yaml").read_text(encoding="utf-8").replace("castover: 1", "castover: 3"))
    assert main([str(file)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == f"{file}:2 castover: found 3; allowed: 1, the version of this format\n"


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "topology.check", "no-such-file.yaml"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "no-such-file.yaml: found no such file or directory; allowed: a file that can be read\n"


def test_files_that_are_not_there_yet_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    rest = (
        "\nrest:\n  tls: {certificate: c.pem, key: secrets/none.key}\n"
        "  tokens:\n    - {name: a, role: read, file: secrets/token}\n"
    )
    file.write_text((REPOSITORY / "topology.yaml").read_text(encoding="utf-8") + rest)
    (tmp_path / "c.pem").touch()
    assert main([str(file)]) == 0
    assert capsys.readouterr().out.endswith(", dialect draft, but secrets/token, secrets/none.key are not there yet\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").touch()
    assert main([str(file)]) == 0
    assert capsys.readouterr().out.endswith(", dialect draft, but secrets/none.key is not there yet\n")


def test_a_file_of_keys_that_is_not_there_yet_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    text = (REPOSITORY / "topology.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("  dialect:", "  mobility_key_file: keys\n  dialect:", 1))
    assert main([str(file)]) == 0
    assert capsys.readouterr().out.endswith(", dialect draft, but keys is not there yet\n")


TOKENS = '\nrest:\n  tokens: [{name: a, role: read, sha256: "' + "0" * 64 + '"}]\n'


@pytest.mark.parametrize(("rest", "more", "warned"), [
    ("0.0.0.0:8080", TOKENS, True),
    ('"[::]:8080"', TOKENS, True),
    ("127.0.0.1:8080", TOKENS, False),
    ("0.0.0.0:8080", f"{TOKENS}  tls: {{certificate: c.pem, key: c.key}}\n", False),
])
def test_tokens_that_travel_in_the_clear_are_warned_of(
    rest: str, more: str, warned: bool, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "topology.yaml"
    text = (REPOSITORY / "topology.yaml").read_text(encoding="utf-8")
    assert text.count("127.0.0.1:8080") == 1
    file.write_text(text.replace("127.0.0.1:8080", rest) + more)
    assert main([str(file)]) == 0
    output = capsys.readouterr()
    assert ": good: domain castover" in output.out
    assert ("warning: rest.tokens travel in the clear" in output.err) == warned
