# SPDX-License-Identifier: Apache-2.0
"""What the demo says about its captures can be typed as it stands."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from lab.capture_hints import DISSECTOR, capture_folder, capture_hints

RUNS = [("draft", "predictive"), ("draft", "plain")]


def test_every_run_is_named_and_the_first_is_opened() -> None:
    said, wireshark, tshark = capture_hints(Path("a b"), RUNS)
    for dialect, mode in RUNS:
        assert f"{capture_folder(Path('a b'), dialect, mode)}/*.pcap" in said
    for line, program in ((wireshark, "wireshark"), (tshark, "tshark")):
        words = shlex.split(line)
        assert words[0] == program
        assert words[words.index("-r") + 1] == "a b/draft-predictive/transport.pcap"


def test_the_dissector_is_named_as_it_is_found_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert DISSECTOR.is_file()
    monkeypatch.chdir(DISSECTOR.parents[2])
    assert "lua_script:docs/wireshark/castover.lua" in list(capture_hints(Path("x"), RUNS))[1]
    monkeypatch.chdir(tmp_path)
    assert f"lua_script:{DISSECTOR}" in list(capture_hints(Path("x"), RUNS))[1]


def test_without_a_run_there_is_nothing_to_open() -> None:
    assert list(capture_hints(Path("x"), [])) == []
