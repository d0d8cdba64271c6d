# SPDX-License-Identifier: Apache-2.0
"""The live view in a real browser on a real REST server, without a lab: also when things are away, refused, or empty."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.support import browser as browsers
from tests.support.browser import CHROMIUM, MISSING, PHONE, LiveView, Opener
from tests.support.rest_server import ROOT, Server
from topology.locate import locate

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

READER, TRIGGER = "reader-token-0123456789", "trigger-token-0123456789"


def topology_with(folder: Path, change: Callable[[Any], None]) -> Path:
    document: Any = locate((ROOT / "topology.yaml").read_text(encoding="utf-8")).data
    change(document)
    path = folder / "topology.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def tokens(document: Any) -> None:
    document["rest"] = {"tokens": [
        {"name": name, "role": name, "sha256": hashlib.sha256(text.encode()).hexdigest()}
        for name, text in (("read", READER), ("trigger", TRIGGER))
    ]}


def test_the_first_look(server: Server, open_view: Opener) -> None:
    view = open_view(server)
    view.await_status("Live · 2 agents, 4 switches")
    for name in ("mn1", "mn2"):
        view.await_at(name, "mag1")
    expect(view.find("#handovers .empty-title")).to_have_text("No handover yet")
    expect(view.find("#ladder .empty-title")).to_contain_text("Figure 2")
    expect(view.cell("mag2").locator(".cell-empty")).to_have_text("No mobile node here")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [browsers.WIDE, PHONE])
def test_nobody_is_kept_out(server: Server, open_view: Opener, theme: str, size: tuple[int, int]) -> None:
    view = open_view(server, size=size, color_scheme=theme)
    view.await_status(re.compile("Live"))
    assert (view.barriers(), view.scrolls_sideways()) == ([], False)
    view.node("mn1").press("Enter")
    expect(view.find(".menu")).to_be_visible()
    assert view.barriers() == []
    view.page.keyboard.press("Escape")
    view.drag("mn1", "mag2")
    handover = view.row(1)
    expect(handover.locator(".pill")).to_have_text("asked for")
    assert view.barriers() == []
    server.tell("complete", handover_id=server.get("/v1/handovers")[1]["handovers"][0]["id"])
    expect(handover.locator(".pill")).to_have_text("completed")
    view.find(".label").nth(4).focus()
    expect(view.find(".detail strong")).to_have_text("(4) Handover Acknowledge")
    assert (view.barriers(), view.scrolls_sideways()) == ([], False)


def test_a_handover_message_by_message(server: Server, open_view: Opener) -> None:
    view = open_view(server)
    view.await_at("mn1", "mag1")
    view.drag("mn1", "mag2")
    expect(view.row(1).locator(".pill")).to_have_text("asked for")
    expect(view.node("mn1").locator(".chip-note")).to_have_text("to mag2: asked for")
    handover_id = server.get("/v1/handovers")[1]["handovers"][0]["id"]
    server.tell("complete", handover_id=handover_id)
    view.await_announcement("Handover of mn1 from mag1 to mag2 completed in 108 milliseconds.")
    view.await_at("mn1", "mag2")
    told = server.get(f"/v1/handovers/{handover_id}")[1]
    assert view.find(".label-name").all_inner_texts() == [step["name"] for step in told["steps"]]
    # Arrows stand at their real times: as far from each other as the messages were.
    places = [
        float(view.find(f'.step[data-step="{index}"] .hit').get_attribute("y") or 0) for index in range(len(told["steps"]))
    ]
    times = [step["at"] for step in told["steps"]]
    scale = (places[-1] - places[0]) / (times[-1] - times[0])
    for place, at in zip(places, times, strict=True):
        assert place - places[0] == pytest.approx((at - times[0]) * scale, abs=0.6)
    # And the packets beside them are those that the MAGs have told.
    assert view.find(".bar.native").count() == 10
    assert view.find(".bar.tunnel").count() > 15
    expect(view.find(".facts div:has(dt:text-is('Lost')) dd")).to_have_text("0")


def test_the_menu_says_what_is_possible_and_the_keyboard_is_enough(server: Server, open_view: Opener) -> None:
    view = open_view(server)
    view.await_at("mn2", "mag1")
    view.node("mn2").press("ArrowRight")
    view.await_announcement("mag2. Enter hands mn2 over, Escape ends this.")
    expect(view.cell("mag2")).to_have_class(re.compile("aimed"))
    view.page.keyboard.press("Escape")
    expect(view.cell("mag2")).not_to_have_class(re.compile("aimed"))
    view.page.keyboard.press("Enter")
    expect(view.page.get_by_role("menuitem")).to_have_text(["mag2"])
    view.page.keyboard.press("Escape")
    expect(view.node("mn2")).to_be_focused()
    view.page.keyboard.press("ArrowRight")
    view.page.keyboard.press("Enter")
    expect(view.row(1)).to_contain_text("mn2")
    # Under way already: that is said, and not asked for.
    expect(view.node("mn2")).to_have_class(re.compile("moving"))
    view.node("mn2").press("Enter")
    expect(view.page.get_by_role("menuitem")).to_contain_text("a handover is under way")
    view.page.keyboard.press("Escape")
    with view.page.expect_response(lambda response: response.request.method == "DELETE") as called_off:
        view.page.get_by_role("button", name="Call off").click()
    assert called_off.value.status == 202
    # The agents that would say so are not there; one of them says something else.
    server.tell("fail", handover_id=server.get("/v1/handovers")[1]["handovers"][0]["id"])
    expect(view.find(".toast")).to_contain_text("Handover of mn2 from mag1 to mag2 failed: nobody came.")


def test_a_mobile_node_that_is_dropped_where_it_was_stays(server: Server, open_view: Opener) -> None:
    view = open_view(server)
    view.await_at("mn1", "mag1")
    expect(view.find("#map-hint")).to_contain_text("By keyboard")
    view.drag("mn1", "mag1")
    view.await_announcement("mn1 stays at mag1.")
    view.await_at("mn1", "mag1")
    assert view.page.evaluate("getSelection().toString()") == ""


def test_what_a_touch_screen_is_told(server: Server, open_view: Opener) -> None:
    view = open_view(server, size=PHONE, has_touch=True, is_mobile=True)
    expect(view.find("#map-hint")).to_contain_text("or tap it to choose one")


def test_the_list_of_handovers_fits_its_card(server: Server, open_view: Opener) -> None:
    view = open_view(server, size=(1280, 800))
    view.await_at("mn1", "mag1")
    view.drag("mn1", "mag2")
    expect(view.row(1)).to_be_visible()
    server.tell("complete", handover_id=server.get("/v1/handovers")[1]["handovers"][0]["id"])
    expect(view.row(1).locator(".col-duration")).to_have_text("108.0 ms")
    assert view.page.evaluate("(one => one.scrollWidth <= one.clientWidth)(document.querySelector('#handovers'))")


def test_an_agent_that_is_away(open_view: Opener) -> None:
    server = Server()
    view = open_view(server)
    view.await_status("6 away")
    expect(view.find("#banner")).to_contain_text("Not connected: agent of mag1, agent of mag2, switch lma")
    server.tell("populate")
    view.await_status("Live · 2 agents, 4 switches")
    expect(view.find("#banner")).to_be_hidden()
    server.end()


def test_a_controller_that_goes_away_and_another_that_comes(browser: Browser) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        first = Server(listener.fileno())
        first.tell("populate")
        view = LiveView(browser, first.url)
        view.await_at("mn1", "mag1")
        view.drag("mn1", "mag2")
        expect(view.row(1)).to_be_visible()
        first.end()
    view.await_status("Controller away")
    expect(view.find("#banner")).to_contain_text("What is shown is what was known last.")
    view.await_at("mn1", "mag1")
    port = int(first.url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)) as listener:
        second = Server(listener.fileno())
        second.tell("populate")
        view.await_status("Live · 2 agents, 4 switches")
        # The handovers of the first are not known any more.
        expect(view.find("#handovers .empty-title")).to_be_visible()
        view.close()
        second.end()


def test_events_are_resumed_where_they_stopped(server: Server, open_view: Opener) -> None:
    view = open_view(server)
    view.await_status(re.compile("Live"))
    asked: list[str] = []

    def broken(route: Route) -> None:
        asked.append(route.request.headers.get("last-event-id", ""))
        if len(asked) == 1:
            route.fulfill(body="retry: 1000\nid: 0a1b2c3d-7\n\n", content_type="text/event-stream")
        else:
            route.continue_()

    view.page.route("**/v1/events", broken)
    view.page.reload()
    with view.page.expect_request(lambda request: request.headers.get("last-event-id") == "0a1b2c3d-7"):
        pass
    view.await_status("Live · 2 agents, 4 switches")
    assert asked[:2] == ["", "0a1b2c3d-7"]


def test_a_controller_that_asks_for_a_token(open_view: Opener, tmp_path: Path) -> None:
    server = Server(topology=topology_with(tmp_path, tokens))
    server.tell("populate")
    view = open_view(server)
    dialog = view.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(view.find("#map-hint")).to_have_text("")
    assert view.barriers() == []
    view.page.get_by_label("Bearer token").fill("wrong-token-0123456789")
    view.page.keyboard.press("Enter")
    expect(dialog).to_contain_text("not known here")
    view.page.get_by_label("Bearer token").fill(READER)
    view.page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    view.await_at("mn1", "mag1")
    # Said before anything has been tried, and nothing is sent that would be refused.
    expect(view.find("#map-hint")).to_have_text("This token may look, but not begin handovers.")
    view.drag("mn1", "mag2")
    expect(view.find(".toast")).to_contain_text("No handover to mag2: this token may only look.")
    server.token = READER
    assert server.get("/v1/handovers")[1]["total"] == 0
    # Kept for this tab, and nowhere else.
    view.page.reload()
    view.await_at("mn1", "mag1")
    assert READER not in json.dumps(view.context.storage_state())
    # Who has another may enter it, or not.
    view.page.get_by_role("button", name="Change the token").click()
    assert view.barriers() == []
    view.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    view.page.get_by_role("button", name="Change the token").click()
    view.page.get_by_label("Bearer token").fill(TRIGGER)
    view.page.keyboard.press("Enter")
    expect(view.find("#map-hint")).to_contain_text("Drag a mobile node")
    view.drag("mn1", "mag2")
    expect(view.row(1)).to_contain_text("mag1 → mag2")
    server.end()


def test_what_can_be_no_token_is_refused_before_it_is_sent(open_view: Opener, tmp_path: Path) -> None:
    server = Server(topology=topology_with(tmp_path, tokens))
    view = open_view(server)
    dialog = view.page.get_by_role("dialog")
    for text, found in (("tökén€", "“ö”"), ("two words", "a blank"), ("a=b", "“=”")):
        view.page.get_by_label("Bearer token").fill(text)
        view.page.keyboard.press("Enter")
        expect(dialog).to_contain_text(f"No token has {found} in it")
    # One that has been kept all the same is no token.
    view.page.evaluate("sessionStorage.setItem('castover-token', 'tökén€')")
    view.page.reload()
    expect(dialog).to_contain_text("One with the role read shows everything")
    view.page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    server.end()


def test_many_mags_and_what_a_mobile_node_may_not_do(open_view: Opener, tmp_path: Path) -> None:
    def more(document: Any) -> None:
        for number in range(3, 9):
            document["mags"].append({
                "id": f"mag{number}", "address": f"2001:db8:ff::1{number}", "management_address": f"fd00:ca57::1{number}",
            })
        document["mobile_nodes"][0]["mags"] = ["mag1", "mag2", "mag8"]

    server = Server(topology=topology_with(tmp_path, more))
    server.tell("populate")
    view = open_view(server, size=PHONE)
    view.await_at("mn1", "mag1")
    assert not view.scrolls_sideways()
    view.node("mn1").press("Enter")
    items = view.page.get_by_role("menuitem")
    expect(items.nth(0)).to_have_text("mag2")
    expect(items.nth(1)).to_contain_text("mn1 may not register here")
    view.page.keyboard.press("End")
    view.page.keyboard.press("Enter")
    expect(view.row(1)).to_contain_text("mag1 → mag8")
    server.end()


def test_the_theme_is_kept_and_motion_is_left_out_for_those_who_want_none(server: Server, open_view: Opener) -> None:
    view = open_view(server, reduced_motion="reduce", color_scheme="light")
    view.await_status(re.compile("Live"))
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = view.page.evaluate(ground)
    view.page.get_by_role("button", name="Switch to the dark theme").click()
    assert view.page.evaluate(ground) != light
    view.page.reload()
    expect(view.page.get_by_role("button", name="Switch to the light theme")).to_be_visible()
    assert view.page.evaluate(ground) != light
    running = "document.getAnimations().filter((one) => one.playState === 'running').length"
    assert view.page.evaluate(running) == 0


def test_the_page_does_not_jump_about(server: Server, open_view: Opener) -> None:
    view = open_view(server)
    view.await_at("mn1", "mag1")
    places = "[...document.querySelectorAll('.card')].map((card) => card.getBoundingClientRect().top)"
    before = view.page.evaluate(places)
    view.drag("mn1", "mag2")
    expect(view.row(1)).to_contain_text("mag1 → mag2")
    server.tell("complete", handover_id=server.get("/v1/handovers")[1]["handovers"][0]["id"])
    view.await_at("mn1", "mag2")
    assert view.page.evaluate(places) == before
