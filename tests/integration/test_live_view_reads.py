# SPDX-License-Identifier: Apache-2.0
"""The live view when single reads fail while its event stream is there: it reads again, or says that it is out of date."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route, expect

from tests.support.browser import CHROMIUM, MISSING, LiveView, Opener
from tests.support.rest_server import Server

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

JSON = "application/json"
WAYS: dict[str, Callable[[Route], None]] = {
    "no connection": lambda route: route.abort(),
    "a body that is cut": lambda route: route.fulfill(body='{"domain": "cast', content_type=JSON),
    "another program's page": lambda route: route.fulfill(body="<html>Sign in</html>", content_type="text/html"),
    "an error": lambda route: route.fulfill(status=500, body="{}", content_type=JSON),
    "another program's document": lambda route: route.fulfill(body="{}", content_type=JSON),
    "busy": lambda route: route.fulfill(status=503, body="", headers={"Retry-After": "1"}),
}
FIRST = {
    "/v1/topology": "a body that is cut", "/v1/handovers": "busy", "/v1/access": "an error",
    "/v1/switches": "another program's page", "/v1/rates": "no connection",
}


class Failing:
    """Fails one read of each path in `ways`, each its way; `failed` are those that have."""

    def __init__(self, view: LiveView) -> None:
        self.ways: dict[str, Callable[[Route], None]] = {}
        self.failed: list[str] = []
        self._page = view.page
        view.page.route("**/v1/**", self._answer)

    def _answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        way = self.ways.pop(path, None) if route.request.method == "GET" else None
        if way is None:
            route.continue_()
            return
        self.failed.append(path)
        way(route)

    def await_failed(self, paths: Iterable[str]) -> None:
        """Until each of them has: some are read from time to time only."""
        deadline = time.monotonic() + 10
        while not set(paths) <= set(self.failed):
            assert time.monotonic() < deadline, self.failed
            self._page.wait_for_timeout(20)


def asked_for(server: Server) -> str:
    """The id of a handover that was asked for otherwise than in the page."""
    with contextlib.closing(server.connect()) as client:
        body = json.dumps({"mn_id": "mn1", "new_mag": "mag2"})
        client.request("POST", "/v1/handovers", body, {"Content-Type": JSON})
        return str(json.loads(client.getresponse().read())["id"])


def test_a_read_that_fails_is_made_again_whatever_it_is_and_however_it_fails(server: Server, open_view: Opener) -> None:
    view = open_view(server)
    failing = Failing(view)
    failing.ways = {path: WAYS[way] for path, way in FIRST.items()}
    view.page.reload()
    view.await_status("Live · 2 agents, 4 switches")
    view.await_at("mn1", "mag1")
    expect(view.find("#handovers .empty-title")).to_be_visible()
    failing.await_failed(FIRST)
    for number, way in enumerate((WAYS["no connection"], WAYS["another program's document"]), start=1):
        view.drag("mn1", "mag2")
        expect(view.row(number).locator(".pill")).to_have_text("asked for")
        handover_id = server.get("/v1/handovers")[1]["handovers"][0]["id"]
        failing.ways = {f"/v1/handovers/{handover_id}": way, "/v1/topology": way}
        server.tell("fail", handover_id=handover_id)
        expect(view.row(number).locator(".pill")).to_have_text("failed")
        expect(view.node("mn1").locator(".chip-note")).not_to_contain_text("asked for")
        assert failing.ways == {}
    view.await_status(re.compile("Live"))


def test_what_cannot_be_read_for_long_makes_the_page_old_and_it_says_so(server: Server, open_view: Opener) -> None:
    view = open_view(server)
    way = "busy"
    held: list[Route] = []

    def answer(route: Route) -> None:
        if way == "busy":
            route.fulfill(status=503, headers={"Retry-After": "50"}, json={"detail": "The controller is busy."})
        elif way == "slow":
            held.append(route)
        else:
            route.continue_()

    view.page.clock.install()
    view.page.route("**/v1/topology", answer)
    view.page.reload()
    # The stream is there, and nothing is known yet.
    view.await_status("Reading")
    view.page.clock.fast_forward(3_000)
    view.await_status("Out of date")
    expect(view.find("#banner")).to_contain_text(re.compile(r"The controller is busy\. Next try in 4\d s\."))
    way = "well"
    view.page.get_by_role("button", name="Try now").click()
    view.await_at("mn1", "mag1")
    view.await_status(re.compile("Live"))
    expect(view.find("#banner")).to_be_hidden()
    # Nor does an answer that does not come at all pass for one.
    way = "slow"
    with view.page.expect_request("**/v1/topology"):
        view.page.clock.fast_forward(5_000)
    view.page.clock.fast_forward(3_000)
    view.await_status("Out of date")
    expect(view.find("#banner")).to_contain_text("slow to answer. What is shown is what was known last.")
    way = "well"
    held[0].continue_()
    view.await_status(re.compile("Live"))


def test_older_handovers_that_cannot_be_read_are_asked_for_again_by_the_reader(server: Server, open_view: Opener) -> None:
    for _ in range(2):
        server.tell("fail", handover_id=asked_for(server))
    view = open_view(server)
    failing = Failing(view)
    view.page.route("**/v1/handovers?limit=50", lambda route: route.continue_(url=f"{server.url}/v1/handovers?limit=1"))
    view.page.reload()
    expect(view.row(2)).to_be_visible()
    failing.ways = {"/v1/handovers": WAYS["a body that is cut"]}
    view.page.get_by_role("button", name="Show older").click()
    expect(view.find(".toast")).to_contain_text("No older handovers: The controller's answer did not arrive whole.")
    view.page.get_by_role("button", name="Show older").click()
    expect(view.row(1)).to_be_visible()
    expect(view.row(2)).to_be_visible()
    expect(view.page.get_by_role("button", name="Show older")).to_be_hidden()
