# SPDX-License-Identifier: Apache-2.0
"""What the examples say when they are used wrongly, or nobody answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(("words", "said"), [
    (("send.py",), "send.py: error: the following arguments are required: GROUP"),
    (("send.py", "nonsense"), "send.py: error: argument GROUP: 'nonsense' is not an address of IPv6"),
    (("send.py", "2001:db8::1"), "send.py: error: argument GROUP: '2001:db8::1' is not a multicast address"),
    (("send.py", "ff1e::101", "0"), "send.py: error: argument PACKETS_PER_SECOND: '0' is not a number above 0"),
    (("send.py", "ff1e::101", "nan"), "send.py: error: argument PACKETS_PER_SECOND: 'nan' is not a number above 0"),
    (("listen.py",), "listen.py: error: the following arguments are required: GROUP"),
    (("listen.py", "nonsense"), "listen.py: error: argument GROUP: 'nonsense' is not an address of IPv6"),
    (("listen.py", "::1"), "listen.py: error: argument GROUP: '::1' is not a multicast address"),
    (("listen.py", "ff1e::101", "x"), "listen.py: error: argument SOURCE: 'x' is not an address of IPv6"),
])
def test_wrong_use_is_said_with_the_usage(words: tuple[str, ...], said: str) -> None:
    program, *arguments = words
    done = run(sys.executable, str(EXAMPLES / program), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: {program} [-h] GROUP [")
    assert done.stderr.splitlines()[-1] == said


@pytest.mark.parametrize("words", [("--hysteresis", "nan"), ("--hysteresis", "-1"), ("--time-to-trigger", "inf")])
def test_a_predictor_is_told_finite_amounts(words: tuple[str, str]) -> None:
    option = f"{words[0]}={words[1]}"
    done = run(sys.executable, str(EXAMPLES / "predictor.py"), "mn1", option, PYTHONPATH=str(EXAMPLES.parent))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"argument {words[0]}: {words[1]!r} is not a number from 0 on" in done.stderr


@pytest.mark.parametrize(("words", "said"), [
    (("/nowhere/secret",), "webhook.py: [Errno 2] No such file or directory: '/nowhere/secret'"),
    ((os.devnull,), "webhook.py: a secret of 0 octets; allowed: 24 to 64"),
])
def test_a_receiver_that_cannot_be_says_why(words: tuple[str, ...], said: str) -> None:
    done = run(sys.executable, str(EXAMPLES / "webhook.py"), *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == said


def test_a_handover_without_a_controller() -> None:
    done = run("sh", str(EXAMPLES / "handover.sh"), "mn1", "mag2", CASTOVER_URL="http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (3, "")
    assert "curl: (7)" in done.stderr
    assert "3: no controller answers" in (EXAMPLES / "handover.sh").read_text(encoding="utf-8")
