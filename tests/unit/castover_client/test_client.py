# SPDX-License-Identifier: Apache-2.0
"""The client against a stand-in of the API: what it sends, what it tries again, what it says when it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from castover_client import (
    Castover,
    CastoverError,
    Conflict,
    Forbidden,
    HandoverRequest,
    HandoverTimeout,
    NotFound,
    NotValid,
    Refused,
    TokenNeeded,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from tests.support.stand_in import StandIn, handover, stand_in, step


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as found:
        yield found


@pytest.fixture
def castover(server: StandIn) -> Iterator[Castover]:
    with Castover(server.url, token="secret") as made:
        yield made


def test_a_handover_is_begun_and_followed(server: StandIn, castover: Castover) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["GET /v1/handovers/ho-1"] = [
        (200, handover("requested")), (200, handover("requested")),
        (200, handover("forwarding", step(1, "HO-Initiate", "mag1", 5.0))), (200, handover("completed")),
    ]
    begun = castover.start_handover("mn1", "mag2", mode="join")
    assert (begun.id, begun.ended) == ("ho-1", False)
    assert server.bodies == [{"mn_id": "mn1", "new_mag": "mag2", "mode": "join"}]
    assert server.headers[0]["Authorization"] == "Bearer secret"
    seen = list(castover.follow("ho-1", timeout_s=5, poll_s=0))
    assert [found.state for found in seen] == ["requested", "forwarding", "completed"]
    assert seen[1].steps[0].name == "HO-Initiate"
    assert castover.wait_for("ho-1").state == "completed"


def test_every_start_has_a_key_of_its_own_or_the_one_that_is_given(server: StandIn, castover: Castover) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    for key in (None, None, "mine"):
        castover.start_handover("mn1", "mag2", key=key)
    keys = [headers["Idempotency-Key"] for headers in server.headers]
    assert len(set(keys)) == 3
    assert keys[2] == '"mine"'
    for key in ("", 'a"b', "\xe9", 256 * "x"):
        with pytest.raises(CastoverError, match="printable ASCII"):
            castover.start_handover("mn1", "mag2", key=key)


def test_a_kept_connection_that_was_closed_is_opened_again_for_any_method(server: StandIn, castover: Castover) -> None:
    server.script["GET /v1/bindings"] = [(200, {"bindings": []})]
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["DELETE /v1/handovers/ho-1"] = [(202, handover("requested"))]
    server.close_after_answer = True
    for _ in range(3):
        assert list(castover.bindings()) == []
        assert castover.start_handover("mn1", "mag2").id == "ho-1"
        assert castover.cancel_handover("ho-1").id == "ho-1"


def test_a_handover_that_does_not_end_is_given_up(server: StandIn, castover: Castover) -> None:
    server.script["GET /v1/handovers/ho-1"] = [(200, handover("prepared"))]
    with pytest.raises(HandoverTimeout, match=r"handover ho-1 is still prepared after 0\.01 s"):
        castover.wait_for("ho-1", timeout_s=0.01, poll_s=0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, NotValid), (401, TokenNeeded), (403, Forbidden), (404, NotFound), (409, Conflict), (422, NotValid),
     (503, Unavailable), (418, Refused)],
)
def test_a_refusal_is_an_error_of_its_kind_in_one_line(
    server: StandIn, castover: Castover, status: int, kind: type[Refused]
) -> None:
    # RFC 9457 section 3: type, status, title, detail, and extensions of the API's own.
    server.script["GET /v1/topology"] = [(status, {
        "type": "/problems/x", "status": status, "title": "No", "detail": "The body is not valid: new_mag",
        "errors": [{"field": "new_mag", "detail": "found nothing; allowed: id of a MAG"}],
    })]
    with pytest.raises(kind) as raised:
        castover.topology()
    assert (raised.value.status, raised.value.type) == (status, "/problems/x")
    assert str(raised.value) == (
        f"{status} No: The body is not valid: new_mag (new_mag: found nothing; allowed: id of a MAG)"
    )
    server.script["GET /v1/topology"] = [(status, None)]
    with pytest.raises(kind, match=f"^{status} "):
        castover.topology()


@pytest.mark.parametrize("document", [None, [], {"mags": {}}, {"mags": [5]}, "text"])
def test_what_is_not_castover_is_said_to_be_so(server: StandIn, castover: Castover, document: Any) -> None:
    server.script["GET /v1/mags"] = [(200, document)]
    with pytest.raises(UnexpectedAnswer):
        list(castover.mags())


def test_readiness(server: StandIn, castover: Castover) -> None:
    server.script["GET /readyz"] = [(503, {"title": "Unavailable"}), (200, {"status": "ready"}), (401, None)]
    assert [castover.is_ready(), castover.is_ready()] == [False, True]
    with pytest.raises(TokenNeeded):
        castover.is_ready()
    with Castover("http://127.0.0.1:1") as nobody:
        assert nobody.is_ready() is False
        with pytest.raises(Unreachable, match=r"no controller answers on http://127\.0\.0\.1:1: Conn.* refused"):
            nobody.topology()


@pytest.mark.parametrize("token", ["", "a\nb", "a b", "\xe9", "a\r\nX: y"])
def test_what_would_break_a_header_is_no_token(token: str) -> None:
    with pytest.raises(CastoverError, match=r"^token \(CASTOVER_TOKEN\): found \d characters, [^\n]*$") as raised:
        Castover(token=token)
    assert not token or token not in str(raised.value)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, server: StandIn) -> None:
    monkeypatch.setenv("CASTOVER_TOKEN", "")
    monkeypatch.setenv("CASTOVER_CA_FILE", "")
    server.script["GET /v1/mags"] = [(200, {"mags": []})]
    with Castover.from_environment(server.url) as castover:
        assert list(castover.mags()) == []
    assert "Authorization" not in server.headers[0]
    Castover.from_environment("https://127.0.0.1:1").close()


@pytest.mark.parametrize(("content", "reason"), [
    (None, "no such file or directory"), ("", "no certificate or crl found"), ("nonsense", "no certificate or crl found"),
])
def test_a_file_of_certificates_that_is_of_no_use_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("CASTOVER_CA_FILE", str(file))
    with pytest.raises(CastoverError) as raised:
        Castover.from_environment("https://127.0.0.1:1")
    assert str(raised.value) == (
        f"ca_file (CASTOVER_CA_FILE): found {str(file)!r}, {reason}; allowed: a file of PEM certificates"
    )


@pytest.mark.parametrize("url", ["", "ftp://h", "http://", "127.0.0.1:80", "http://h:x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(CastoverError, match="is not the URL of a REST API"):
        Castover(url)


def test_a_batch_is_sent_as_one_request(server: StandIn, castover: Castover) -> None:
    problem = {"type": "/problems/conflict", "title": "Conflict", "status": 409, "detail": "under way"}
    server.script["POST /v1/handovers/batch"] = [(207, {"accepted": 1, "refused": 1, "results": [
        {"index": 0, "status": 202, "handover": handover("requested")}, {"index": 1, "status": 409, "problem": problem},
    ]})]
    wanted = [HandoverRequest(mn_id="mn1", new_mag=mag_id) for mag_id in ("mag2", "x")]
    batch = castover.start_handovers(wanted)
    assert (batch.accepted, batch.refused) == (1, 1)
    assert batch.results[0].handover is not None
    assert batch.results[1].problem is not None
    assert batch.results[1].problem.detail == "under way"
    assert [item["new_mag"] for item in server.bodies[0]["handovers"]] == ["mag2", "x"]
