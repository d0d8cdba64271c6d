# SPDX-License-Identifier: Apache-2.0
"""Every relative link of every document leads to a file of this repository, and every anchor to a heading there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.documents import REPOSITORY, documents, without_fences

CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)")
HTML_LINK = re.compile(r"""<[^>]+?\b(?:href|src|srcset)=["']([^"'\s]+)""")
HEADING = re.compile(r"(?m)^ {0,3}#{1,6} +(.+?) *#*$")


def links(text: str) -> list[str]:
    """Targets outside of code, in Markdown and in HTML."""
    prose = CODE.sub("`code`", without_fences(text))
    return [*LINK.findall(prose), *HTML_LINK.findall(prose)]


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings: lower case, no punctuation, a hyphen for a space, -1, -2 when one repeats."""
    found: set[str] = set()
    for heading in HEADING.findall(without_fences(text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number, unique = 0, slug
        while unique in found:
            number += 1
            unique = f"{slug}-{number}"
        found.add(unique)
    return found


def faults(document: Path) -> list[str]:
    """Links of one document that lead nowhere, with the reason."""
    found = []
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    for link in links(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (REPOSITORY / document.parent / path).resolve() if path else REPOSITORY / document
        if path.startswith("/") or not target.is_relative_to(REPOSITORY):
            found.append(f"{link}: leaves the repository")
        elif not target.exists():
            found.append(f"{link}: no such file")
        elif anchor and (target.suffix != ".md" or anchor not in anchors(target.read_text(encoding="utf-8"))):
            found.append(f"{link}: no such heading")
    return found


@pytest.mark.parametrize("document", documents(), ids=str)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert faults(document) == []


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    reached, to_read = set(), [Path("README.md")]
    while to_read:
        page = to_read.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in links((REPOSITORY / page).read_text(encoding="utf-8")):
            target = (REPOSITORY / page.parent / link.partition("#")[0]).resolve()
            if target.is_dir():
                target /= "README.md"
            if target.suffix == ".md" and target.is_relative_to(REPOSITORY) and target.is_file():
                to_read.append(target.relative_to(REPOSITORY))
    assert [str(page) for page in documents() if page.parts[0] == "docs" and page not in reached] == []


def test_anchors_are_those_of_the_web_site() -> None:
    text = "# `GET /v1/events`\n## When a process dies\n## What, again?\n## What, again?\n```sh\n# no heading\n```\n"
    assert anchors(text) == {"get-v1events", "when-a-process-dies", "what-again", "what-again-1"}


def test_links_in_code_do_not_count() -> None:
    text = "`[no](a)` [![yes](b)](c#d) <img src='e.png'>\n```\n[no](f)\n```\n"
    assert links(text) == ["b", "c#d", "e.png"]
