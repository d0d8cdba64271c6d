# SPDX-License-Identifier: Apache-2.0
"""A browser, a controller without a lab, and live views of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support import browser as browsers
from tests.support.browser import LiveView, Opener
from tests.support.rest_server import Server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.browser() as found:
        yield found


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    found.tell("populate")
    yield found
    assert "Traceback" not in found.end()


@pytest.fixture
def open_view(browser: Browser) -> Iterator[Opener]:
    opened: list[LiveView] = []

    def opener(server: Server, **options: Any) -> LiveView:
        opened.append(LiveView(browser, server.url, **options))
        return opened[-1]

    yield opener
    for view in opened:
        view.close()
