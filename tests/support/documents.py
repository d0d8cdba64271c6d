# SPDX-License-Identifier: Apache-2.0
"""The commands in the documents: which there are, how they are to be tried, and what they should print.

The info string of a fenced block says what a test does with it:

    ```sh run                      run without a lab, in tests/integration/test_documents.py
    ```sh lab                      run in a lab, in tests/lab/test_documents_in_the_lab.py
    ```sh lab beside               the same in a terminal of its own, until the page ends: then Ctrl-C
    ```sh by NAME                  run by tests/lab/NAME.py, which needs more than a lab
    ```sh not-run: REASON          cannot be run by a test, for this reason
    ```text output                 what the commands of the block above print

In what is printed `...` stands for anything, and for any number of lines where it is a line. Spaces count as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"(?ms)^(?P<indent> *)(?P<fence>`{3,})(?P<info>[^\n`]*)\n(?P<text>.*?)^ *(?P=fence) *$")
_NOT_RUN = "not-run:"
_BY = re.compile(r"by test_[a-z_]+")
_HIDDEN = (".", "node_modules", "__pycache__")


class DocumentError(ValueError):
    """A block that does not say how it is to be tried; the message has file, line and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One fenced block; `text` without the indentation of its fence."""

    page: Path
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        """The first word of the info string."""
        return self.info.partition(" ")[0]

    @property
    def words(self) -> str:
        """The rest of it."""
        return self.info.partition(" ")[2].strip()

    @property
    def where(self) -> str:
        """File and line, as editors take them."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """One block of commands, in the order of its page."""

    where: str
    script: str
    way: str
    """`run`, `lab`, `lab beside`, `by NAME`, or empty when it is not run."""
    reason: str
    """Why it is not run."""
    output: str | None
    """What it should print; None: nobody says."""


def documents() -> list[Path]:
    """Every Markdown file, relative to the repository."""
    found = (path.relative_to(REPOSITORY) for path in REPOSITORY.rglob("*.md"))
    return sorted(path for path in found if not any(part.startswith(_HIDDEN) for part in path.parts))


def fences(page: Path) -> Iterator[Fence]:
    """Of a page, in order. `page` is relative to the repository."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        lines = (line.removeprefix(found["indent"]) for line in found["text"].splitlines(keepends=True))
        line = text.count("\n", 0, found.start()) + 1
        yield Fence(page=page, line=line, info=found["info"].strip(), text="".join(lines))


def without_fences(text: str) -> str:
    """A page's text without its fenced blocks."""
    return _FENCE.sub("", text)


def commands(page: Path) -> list[Commands]:
    """All blocks of commands of a page. Raises DocumentError."""
    found: list[Commands] = []
    for fence in fences(page):
        if fence.language == "sh":
            way, reason = _way(fence)
            found.append(Commands(where=fence.where, script=fence.text, way=way, reason=reason, output=None))
        elif fence.language == "text" and fence.words == "output":
            if not found or found[-1].output is not None or not found[-1].way:
                raise DocumentError(f"{fence.where}: output without commands that a test runs")
            last = found.pop()
            found.append(
                Commands(where=last.where, script=last.script, way=last.way, reason="", output=fence.text)
            )
    return found


def _way(fence: Fence) -> tuple[str, str]:
    if fence.words in ("run", "lab", "lab beside") or _BY.fullmatch(fence.words):
        return fence.words, ""
    reason = fence.words.removeprefix(_NOT_RUN).strip()
    if fence.words.startswith(_NOT_RUN) and reason:
        return "", reason
    raise DocumentError(
        f"{fence.where}: found {fence.info!r}; allowed: sh run, sh lab, sh lab beside, sh by TEST, sh {_NOT_RUN} REASON"
    )


def pages(*ways: str) -> list[Path]:
    """Those with commands that are run in one of these ways: first the README, then the tutorial, then the others."""
    found = [page for page in documents() if any(block.way in ways for block in _readable(page))]
    return sorted(found, key=lambda page: (page.parts[:2] != ("README.md",), "tutorial" not in page.parts, page))


def _readable(page: Path) -> list[Commands]:
    """Nothing of a page with a fault: that is found by a test of its own."""
    try:
        return commands(page)
    except DocumentError:
        return []


def expected(output: str) -> re.Pattern[str]:
    """What `plain` makes of a program's output has to match this: all of it, or (beside) a part of it."""
    lines = plain(output).split("\n")
    pattern = ""
    for number, line in enumerate(lines):
        last = number == len(lines) - 1
        if line == "...":
            pattern += r"(?:.*\n)*" + (r".*" if last else "")
        else:
            pattern += r"[^\n]*".join(map(re.escape, line.split("..."))) + ("" if last else r"\n")
    return re.compile(pattern)


def plain(output: str) -> str:
    """Without blank lines around it and without the widths of columns."""
    return "\n".join(" ".join(line.split()) for line in output.strip().split("\n"))
