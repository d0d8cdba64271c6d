# SPDX-License-Identifier: Apache-2.0
"""Every command in the documents is tried by a test or says why not; and how those that are tried are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import documents
from tests.support.documents import DocumentError, Fence, commands, expected, fences, plain
from tests.support.terminal import Terminal, TerminalError, copy_repository

REST = Path("docs/reference/rest.md")
"""Its `console` blocks are carried out by tests/unit/apps/test_rest_documentation.py."""
LANGUAGES = {"sh", "text", "yaml", "json", "python", "ini", "lua", ""}
COMMAND = re.compile(r"(?m)^(?:\$ |sudo |make |curl |\./castover |docker |systemctl |castover )")


@pytest.mark.parametrize("page", documents.documents(), ids=str)
def test_every_block_of_commands_is_tried_or_says_why_not(page: Path) -> None:
    for block in commands(page):
        assert bool(block.way) != bool(block.reason), block.where
        assert block.script.strip(), block.where
    for fence in fences(page):
        assert fence.language in LANGUAGES or (fence.language == "console" and page == REST), fence.where
        if fence.language == "":
            assert not COMMAND.search(fence.text), f"{fence.where}: commands belong into a sh block"


def test_tests_that_blocks_name_run_the_blocks_of_their_page() -> None:
    for page in documents.documents():
        for name in {block.way.removeprefix("by ") for block in commands(page) if block.way.startswith("by ")}:
            text = (documents.REPOSITORY / "tests" / "lab" / f"{name}.py").read_text(encoding="utf-8")
            assert f'"{page}"' in text, f"{page}: {name} does not read it"
            assert f'"by {name}"' in text, f"{page}: {name} does not run its blocks"


def test_most_of_them_are_tried() -> None:
    blocks = [block for page in documents.documents() for block in commands(page)]
    left = [block.where for block in blocks if not block.way]
    assert len(left) <= 12, left
    assert len(left) < len(blocks) / 5


def write(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    monkeypatch.setattr(documents, "REPOSITORY", folder)
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return Path("page.md")


def test_blocks_are_read_with_their_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = write(tmp_path, monkeypatch, (
        "# A\n\n```sh run\necho a\n```\n\nprints\n\n```text output\na\n```\n"
        "\n* in a list\n\n  ```sh lab beside\n  echo b\n  ```\n"
        "\n```sh not-run: needs the sea\nrm -rf /\n```\n\n```text\nsomething else\n```\n"
    ))
    blocks = [(block.where, block.script, block.way, block.reason, block.output) for block in commands(page)]
    assert blocks == [
        ("page.md:3", "echo a\n", "run", "", "a\n"),
        ("page.md:15", "echo b\n", "lab beside", "", None),
        ("page.md:19", "rm -rf /\n", "", "needs the sea", None),
    ]


@pytest.mark.parametrize("info", [
    "sh", "sh not-run:", "sh not-run", "sh later", "sh run beside", "sh by hand", "sh by test_a test_b",
])
def test_a_block_that_does_not_say_how_is_refused(info: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = write(tmp_path, monkeypatch, f"# A\n\n```{info}\necho a\n```\n")
    with pytest.raises(DocumentError, match=re.escape(f"page.md:3: found '{info}'; allowed: sh run,")):
        commands(page)


@pytest.mark.parametrize("before", [
    "", "```sh not-run: no sea\necho\n```\n", "```sh run\necho\n```\n```text output\na\n```\n",
])
def test_output_of_nothing_is_refused(before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = write(tmp_path, monkeypatch, before + "```text output\na\n```\n")
    with pytest.raises(DocumentError, match="output without commands that a test runs"):
        commands(page)


@pytest.mark.parametrize(("said", "printed", "fits"), [
    ("a\n", "a\n", True),
    ("a\n", "a\nb\n", False),
    ("a  b\n", "a b  \n\n", True),
    ("a...\n", "about\n", True),
    ("a...\n", "a\nb\n", False),
    ("took ... ms, 0 lost\n", "took 5.1 ms, 0 lost", True),
    ("took ... ms, 0 lost\n", "took 5.1 ms, 1 lost", False),
    ("a\n...\nb\n", "a\nb\n", True),
    ("a\n...\nb\n", "a\nx\ny\nb\n", True),
    ("a\n...\n", "a\n", False),
    ("a\n...\n", "a\nx\ny\n", True),
    ("...\nb\n", "x\ny\nb\n", True),
    ("...\nb\n", "xb\n", False),
    ("a.b\n", "axb\n", False),
])
def test_three_dots_stand_for_anything(said: str, printed: str, fits: bool) -> None:
    assert bool(expected(said).fullmatch(plain(printed))) == fits


def test_where_a_block_is() -> None:
    fence = Fence(page=Path("docs/a.md"), line=7, info="sh not-run: no", text="")
    assert (fence.where, fence.language, fence.words) == ("docs/a.md:7", "sh", "not-run: no")


# --- the terminal ---


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(copy_repository(tmp_path / "copy"))


def test_variables_and_folder_stay_and_files_are_not_written_into_the_repository(terminal: Terminal) -> None:
    terminal.run("NAME=here; mkdir sub; cd sub")
    assert terminal.run("echo $NAME; pwd").output.split("\n")[1].endswith("/copy/sub")
    terminal.run("cd ..; cat >made.yaml <<'END'\na: 1\nEND")
    assert terminal.run("cat made.yaml; cat topology.yaml").output.startswith("a: 1\n# One PMIPv6 domain")
    assert not (documents.REPOSITORY / "made.yaml").exists()
    terminal.close()


def test_a_command_that_fails_is_told_with_all_that_it_said(terminal: Terminal) -> None:
    with pytest.raises(TerminalError, match=r"(?s)ended with 3.*before.*because"):
        terminal.run("echo before; echo because >&2; (exit 3); echo after")
    terminal.close()


def test_a_terminal_whose_shell_has_ended_can_be_closed(terminal: Terminal) -> None:
    with pytest.raises(TerminalError, match="ended with 3"):
        terminal.run("exit 3")
    for _ in range(2):  # written to nobody at the latest the second time, and still waiting to be written
        with pytest.raises((BrokenPipeError, TerminalError)):
            terminal.run("echo")
    terminal.close()


def test_a_command_that_does_not_end_is_told(terminal: Terminal) -> None:
    with pytest.raises(TerminalError, match="did not end within"):
        terminal.run("tail -f /dev/null", timeout_s=0.3)
    terminal.run_beside("echo begun; exec tail -f /dev/null", "begun")
    assert terminal.end_beside() == ["begun\n"]
    terminal.kill()


def test_what_runs_beside_must_say_what_the_page_says(terminal: Terminal) -> None:
    with pytest.raises(TerminalError, match="was to print"):
        terminal.run_beside("echo other", "begun")
    terminal.close()
