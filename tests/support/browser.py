# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium, driven by Playwright, and the live view in it as its readers meet it."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
MISSING = "chromium is not installed (tools/install.sh dev)"
WIDE, PHONE = (1440, 900), (360, 740)
PICTURE = (1340, 900)
"""Two columns that have room, and letters that can still be read at the width of a README."""
WAIT_MS = 15_000
_FLAGS = (
    # As root there is no sandbox to be had, and nobody else's pages are opened.
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """One browser for many pages."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield found
        found.close()


class LiveView:
    """The page in a tab of its own. `faults` has what went wrong in it and what asked for another host."""

    def __init__(self, browser: Browser, url: str, *, size: tuple[int, int] = WIDE, **options: Any) -> None:
        self.url = url
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: self._said(message.type, message.text))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.goto(url)

    def _said(self, kind: str, text: str) -> None:
        # Chromium reports refused and failed requests here, too; those are what some tests are about.
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.faults.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith(self.url.rstrip("/") + "/"):
            self.faults.append(f"another host: {url}")

    def close(self) -> None:
        self.context.close()
        assert self.faults == []

    # --- its parts ---

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def node(self, name: str) -> Locator:
        """The button of a mobile node."""
        return self.find(f'.chip:has(.chip-name:text-is("{name}"))')

    def cell(self, mag: str) -> Locator:
        return self.find(f'.cell[data-mag="{mag}"]')

    def await_status(self, text: str | re.Pattern[str]) -> None:
        expect(self.find(".status-words")).to_have_text(text, timeout=WAIT_MS)

    def await_at(self, name: str, mag: str) -> None:
        """The mobile node is drawn inside the cell of this MAG, and has come to rest."""
        expect(self.node(name)).to_have_accessible_name(re.compile(f"at {mag},"), timeout=WAIT_MS)
        inside = """([node, cell]) => {
            const [a, b] = [node.getBoundingClientRect(), cell.getBoundingClientRect()];
            return a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
        }"""
        handles = [self.node(name).element_handle(), self.cell(mag).element_handle()]
        self.page.wait_for_function(inside, arg=handles)

    def await_announcement(self, text: str | re.Pattern[str]) -> None:
        expect(self.find("#announcements")).to_have_text(text, timeout=WAIT_MS)

    def await_rates(self, at_least: int) -> None:
        """Every number on the map has come to this many packets a second: the counters have forgotten the last moves."""
        self.page.wait_for_function(
            r"""(wanted) => {
                const found = document.querySelector('#map').textContent.match(/[\d,]+(?=\/s)/g) ?? [];
                return found.length > 0 && found.every((one) => Number(one.replaceAll(',', '')) >= wanted);
            }""",
            arg=at_least,
        )

    def row(self, number: int) -> Locator:
        """One line of the list of handovers."""
        return self.find(f'.handovers tbody tr:has(.row-button:text-is("{number}"))')

    def drag(self, name: str, mag: str, *, drop: bool = True) -> None:
        start, end = self.node(name).bounding_box(), self.cell(mag).bounding_box()
        assert start is not None
        assert end is not None
        mouse = self.page.mouse
        mouse.move(start["x"] + 20, start["y"] + 20)
        mouse.down()
        mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=8)
        if drop:
            mouse.up()

    # --- what holds for all of it ---

    def scrolls_sideways(self) -> bool:
        wider: bool = self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        return wider

    def barriers(self) -> list[str]:
        """What axe-core finds for people who do not see, or do not use a mouse."""
        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']]}" for one in found]

    def picture(self, file: Path, theme: Literal["light", "dark"]) -> None:
        """A picture for the documents, without the pointer's traces."""
        self.page.emulate_media(color_scheme=theme)
        self.page.mouse.move(0, 0)
        self.page.evaluate("document.activeElement?.blur()")
        # The colours are on their way to the other theme.
        self.page.wait_for_function(
            "() => document.getAnimations().every((one) => !(one instanceof CSSTransition) || one.playState === 'finished')"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=file, animations="allow", full_page=True)


Opener = Callable[..., LiveView]
"""Opens the live view of a server, and closes it with the test."""
