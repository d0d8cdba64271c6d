# SPDX-License-Identifier: Apache-2.0
"""The lab's face of the REST client, against a stand-in of the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.errors import LabError
from lab.rest_client import RestClient, RestError, follow_handover, get_handover, items, start_handover
from tests.support.stand_in import StandIn, handover, stand_in, step

STEP_1 = step(1, "HO-Initiate", "mag1", 100.5, "rest")
STEP_2 = step(2, "HI", "mag1", 100.6)


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as found:
        yield found


@pytest.fixture
def client(server: StandIn) -> Iterator[RestClient]:
    with RestClient(server.url) as made:
        yield made


def test_a_handover_is_followed_as_documents(server: StandIn, client: RestClient) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    told = [handover("requested"), handover("forwarding", STEP_1), handover("completed", STEP_1, STEP_2)]
    server.script["GET /v1/handovers/ho-1"] = [(200, document) for document in told]
    assert start_handover(client, "mn1@example.net", "mag2") == "ho-1"
    assert server.bodies == [{"mn_id": "mn1@example.net", "new_mag": "mag2", "mode": "predictive"}]
    seen = list(follow_handover(client, "ho-1", timeout_s=5, poll_s=0))
    assert [document["state"] for document in seen] == ["requested", "forwarding", "completed"]
    assert seen[-1]["steps"] == told[-1]["steps"]
    assert get_handover(client, "ho-1")["id"] == "ho-1"


def test_faults_are_the_labs_and_say_what_mends_them(server: StandIn, client: RestClient) -> None:
    server.script["GET /v1/handovers/ho-1"] = [(200, handover("prepared"))]
    with pytest.raises(LabError, match=r"handover ho-1 is still prepared after 0\.01 s"):
        list(follow_handover(client, "ho-1", timeout_s=0.01, poll_s=0))
    server.script["GET /v1/mags"] = [(401, {"title": "Token needed", "detail": "The token is not known."})]
    with pytest.raises(RestError, match=r"401 Token needed: .*; put a token .* into CASTOVER_TOKEN") as raised:
        client.get("/v1/mags")
    assert raised.value.status == 401
    with pytest.raises(RestError, match="404"):
        client.get("/nowhere")
    with pytest.raises(LabError, match="is not the URL of a REST API"):
        RestClient("ftp://h")


def test_nobody_at_home_is_said_in_one_line() -> None:
    with pytest.raises(RestError, match=r"no controller answers on http://127\.0\.0\.1:1: Conn.* refused; is the lab up"):
        RestClient("http://127.0.0.1:1").get("/readyz")
    assert RestClient("http://127.0.0.1:1").ready() is False


def test_lists(client: RestClient) -> None:
    assert items({"bindings": [{"mn_id": "mn1"}]}, "bindings") == [{"mn_id": "mn1"}]
    with pytest.raises(RestError, match="list of bindings is no list"):
        items({"problem": 1}, "bindings")
