# SPDX-License-Identifier: Apache-2.0
"""The live view on a real lab: handovers asked for in the page are seen to complete in the page, and nothing is lost.

With CASTOVER_PICTURES=docs/pictures it also takes the pictures of the documents (make pictures).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from lab.demo_settings import write_demo_topology
from lab.processes import REPOSITORY
from lab.radio import Moved
from lab.requirements import missing_requirement
from lab.view import Scene, ViewSettings, scene
from tests.support import browser as browsers
from tests.support.browser import CHROMIUM, MISSING, PHONE, PICTURE, LiveView
from topology.load import load_topology

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(120),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]

RATE_PPS = 1000.0
PICTURES = os.environ.get("CASTOVER_PICTURES")
WAIT_S = 20.0
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.browser() as found:
        yield found


@pytest.fixture(scope="module")
def moved() -> list[Moved]:
    """What the radio has told."""
    return []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, moved: list[Moved]) -> Iterator[Scene]:
    """What `castover view` keeps up, under a name of its own."""
    topology = write_demo_topology(REPOSITORY / "topology.yaml", tmp_path_factory.mktemp("view"), "draft")
    if PICTURES:
        # As readers see it. The pictures are not taken beside a lab of theirs.
        text = topology.read_text(encoding="utf-8")
        topology.write_text(text.replace(f"castover-demo-{os.getpid()}", "castover"), encoding="utf-8")
    settings = ViewSettings(topology=topology, rate_pps=RATE_PPS, size=200, gap_ms=50.0)
    with scene(load_topology(topology), settings, lambda _: None, moved.append) as found:
        yield found


@pytest.fixture(scope="module")
def view(browser: Browser, running: Scene) -> Iterator[LiveView]:
    found = LiveView(browser, running.url)
    found.await_status("Live · 2 agents, 4 switches")
    yield found
    found.close()


def test_the_counters_of_streams_keep_up_with_those_of_ports(running: Scene) -> None:
    """Else a line of the map and the node at its end say different numbers for what is the same."""
    switch = running.lab.switch(running.lab.domain.lma.id)
    bridge = running.lab.domain.switch_names(running.lab.domain.lma.id).integration_bridge
    counted: list[tuple[float, str]] = []
    until = time.monotonic() + 1.5
    while (now := time.monotonic()) < until:
        groups = " ".join(re.findall(r"packet_count=\d+", switch.ofctl("dump-group-stats", bridge)))
        if not counted or counted[-1][1] != groups:
            counted.append((now, groups))
    # By itself Open vSwitch does it every half second: three times.
    assert len(counted) >= 8, counted


def other(running: Scene, view: LiveView, name: str) -> tuple[str, str]:
    """(where it is, where it is not) as the page has it."""
    label = view.node(name).get_attribute("aria-label") or ""
    return ("mag1", "mag2") if "at mag1," in label else ("mag2", "mag1")


def assert_nothing_was_lost(running: Scene, name: str) -> None:
    """The receiving program of the mobile node has every packet once and in order, and goes on getting them."""
    before = running.received()[name].received
    deadline = time.monotonic() + WAIT_S
    while (status := running.received()[name]).received < before + RATE_PPS / 5:
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    assert (status.missing, status.duplicated, status.reordered) == (0, 0, 0)


def assert_completed(view: LiveView, number: int, way: str) -> None:
    row = view.row(number)
    expect(row.locator(".pill")).to_have_text("completed", timeout=browsers.WAIT_MS)
    expect(row.locator(".col-way")).to_contain_text(way)
    expect(row.locator(".col-lost")).to_have_text("0", timeout=browsers.WAIT_MS)


def test_dragging_hands_over_and_loses_nothing(view: LiveView, running: Scene, moved: list[Moved]) -> None:
    expect(view.find(".chip.receives")).to_have_count(2, timeout=browsers.WAIT_MS)
    here, there = other(running, view, "mn1")
    view.drag("mn1", there)
    view.await_announcement(re.compile(f"Handover of mn1 from {here} to {there} completed in \\d+ milliseconds."))
    view.await_at("mn1", there)
    assert_completed(view, 1, f"{here} → {there}")
    assert [told.handover.mn_id for told in moved] == ["mn1@example.net"]
    # All thirteen messages and events of Figure 2, and packets on each of the three ways.
    expect(view.find(".label")).to_have_count(13)
    for kind in ("native", "tunnel", "delivery"):
        expect(view.find(f".bar.{kind}").first).to_be_attached()
    assert_nothing_was_lost(running, "mn1")


def test_so_does_the_keyboard(view: LiveView, running: Scene) -> None:
    here, there = other(running, view, "mn2")
    view.page.evaluate("document.activeElement?.blur()")
    for _ in range(12):
        view.page.keyboard.press("Tab")
        if view.node("mn2").evaluate("(node) => node === document.activeElement"):
            break
    expect(view.node("mn2")).to_be_focused()
    view.page.keyboard.press("ArrowRight" if there == "mag2" else "ArrowLeft")
    view.await_announcement(f"{there}. Enter hands mn2 over, Escape ends this.")
    view.page.keyboard.press("Enter")
    view.await_announcement(re.compile(f"Handover of mn2 from {here} to {there} completed"))
    view.await_at("mn2", there)
    expect(view.node("mn2")).to_be_focused()
    assert_completed(view, 2, f"{here} → {there}")
    assert_nothing_was_lost(running, "mn2")
    assert_nothing_was_lost(running, "mn1")


def test_on_a_phone(browser: Browser, running: Scene) -> None:
    phone = LiveView(browser, running.url, size=PHONE, has_touch=True, is_mobile=True)
    expect(phone.find(".label")).to_have_count(13, timeout=browsers.WAIT_MS)
    assert not phone.scrolls_sideways()
    name = "mn1"
    here, there = other(running, phone, name)
    # A tap opens the menu.
    phone.node(name).tap()
    phone.page.get_by_role("menuitem", name=there).tap()
    phone.await_at(name, there)
    assert_completed(phone, 3, f"{here} → {there}")
    assert_nothing_was_lost(running, name)
    if PICTURES:
        expect(phone.find(".bar.delivery").first).to_be_attached()
        phone.picture(Path(PICTURES) / "live-view-phone.png", "light")
    phone.close()


@pytest.mark.skipif(not PICTURES, reason="pictures are taken with CASTOVER_PICTURES=FOLDER")
def test_pictures(browser: Browser, running: Scene) -> None:
    view = LiveView(browser, running.url, size=PICTURE, device_scale_factor=1.3)
    view.await_status("Live · 2 agents, 4 switches")
    here, there = other(running, view, "mn1")
    for mag in (there, here):
        view.drag("mn1", mag)
        view.await_at("mn1", mag)
        expect(view.find(".bar.delivery").first).to_be_attached(timeout=browsers.WAIT_MS)
    # The mobile nodes are at different MAGs, and the counters of the switches have seen it.
    expect(view.find(".line.native.carries")).to_have_count(3, timeout=browsers.WAIT_MS)
    view.await_rates(int(RATE_PPS * 0.9))
    for theme in THEMES:
        view.picture(Path(str(PICTURES)) / f"live-view-{theme}.png", theme)
    view.close()
