# SPDX-License-Identifier: Apache-2.0
"""The page at / and its parts: who gets it, with what headers, and that it refers to nothing but its own parts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.rest_world import RestWorld

FOLDER = Path(__file__).resolve().parents[3] / "apps" / "view"
FILES = sorted(path.name for path in FOLDER.iterdir())
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/html;q=0.9, application/json;q=0.8"])
def test_a_browser_gets_the_page(rest: RestWorld, accept: str) -> None:
    answer = rest.get("/", Accept=accept)
    assert (answer.status, answer.response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.response.body == (FOLDER / "index.html").read_bytes()
    assert answer.response.headers["Vary"] == "Accept"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.5", "image/png"])
def test_a_program_gets_the_list(rest: RestWorld, accept: str) -> None:
    answer = rest.get("/", Accept=accept)
    assert answer.json["name"] == "castover"
    assert answer.response.headers["Vary"] == "Accept"


def test_page_and_list_are_told_apart_by_their_tags(rest: RestWorld) -> None:
    page, index = rest.get("/", Accept="text/html").response.headers["ETag"], rest.get("/").response.headers["ETag"]
    assert page != index
    assert rest.get("/", Accept="text/html", If_None_Match=page).status == 304
    assert rest.get("/", Accept="text/html", If_None_Match=index).status == 200
    assert rest.get("/view/main.js", If_None_Match=page).status == 304
    # The page is the same in the next process, so that a browser need not load it again.
    assert RestWorld().get("/", Accept="text/html").response.headers["ETag"] == page


@pytest.mark.parametrize("name", FILES)
def test_every_part_is_served_as_what_it_is(rest: RestWorld, name: str) -> None:
    answer = rest.get(f"/view/{name}")
    expected = {
        "js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml", "woff2": "font/woff2",
        "txt": "text/plain",
    }
    assert answer.status == 200
    assert answer.response.headers["Content-Type"].partition(";")[0] == expected[name.rpartition(".")[2]]
    assert answer.response.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.response.body == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", ["nothing.js", "..", "main.js%2f..", ".gitignore", "%2e%2e%2fview.py"])
def test_there_is_nothing_else(rest: RestWorld, name: str) -> None:
    assert rest.get(f"/view/{name}").status in (400, 404)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".js", ".css", ".html", ".svg"))])
def test_a_part_refers_to_parts_that_are_there_and_to_no_other_host(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    named = re.findall(r'from "\./([^"]+)"', text) + re.findall(r'"/view/([^"]+)"', text)
    assert [part for part in named if part not in FILES] == []
    # Namespaces of XML are names, not addresses.
    hosts = [found for found in re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text) if not found.startswith("http://www.w3.org")]
    assert hosts == []
    assert "innerHTML" not in text


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".js", ".css"))])
def test_a_part_has_one_job(name: str) -> None:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    assert "SPDX-License-Identifier: Apache-2.0" in lines[0]
    assert len(lines) <= 300
