# SPDX-License-Identifier: Apache-2.0
"""REST as HTTP: methods, bodies, unknown paths, what is a fault of ours; any request has an answer in good form."""

from __future__ import annotations

import io
import json
import time
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webob import Request

from apps.rest.problems import PROBLEM_TYPES
from apps.rest.requests import BODY_OCTETS_MAX
from apps.rest.routing import Route, json_response
from controller.commands import HandoverRefused
from tests.support.domain_script import MN1, MN2
from tests.support.rest_world import RestWorld
from tests.unit.apps.problem_checks import check_problem


def test_the_index_lists_every_route(rest: RestWorld) -> None:
    index = rest.get("/", Accept="*/*").json
    listed = [(line["method"], line["path"], line["role"]) for line in index["resources"]]
    assert listed == [
        (route.method, route.path, None if route.role is None else route.role.value) for route in rest.api.routes
    ]


def test_every_problem_type_explains_itself(rest: RestWorld) -> None:
    for name, kind in PROBLEM_TYPES.items():
        assert rest.get(kind.type).json["meaning"] == kind.meaning, name
        assert HTTPStatus(kind.status)
    check_problem(rest.get("/problems/bad-luck"), 404, "not-found", "name")


def test_head_is_get_without_the_body(rest: RestWorld) -> None:
    for route in rest.api.routes:
        if route.method != "GET" or "{" in route.path or route.path in ("/v1/events", "/metrics"):
            continue
        got, head = rest.get(route.path), rest.request("HEAD", route.path)
        assert (head.status, head.response.body) == (got.status, b"")
        assert head.response.headers["Content-Length"] == str(len(got.response.body)), route.path
    assert rest.request("HEAD", "/metrics").response.body == b""
    check = rest.request("HEAD", "/v1/nothing")
    assert (check.status, check.response.body) == (404, b"")


def test_options_and_wrong_methods_name_what_is_allowed(rest: RestWorld) -> None:
    allowed = {
        "/v1/handovers": "GET, HEAD, OPTIONS, POST", "/v1/handovers/ho-1": "DELETE, GET, HEAD, OPTIONS",
        "/v1/bindings": "GET, HEAD, OPTIONS", "/healthz": "GET, HEAD, OPTIONS", "/": "GET, HEAD, OPTIONS",
    }
    for path, methods_allowed in allowed.items():
        options = rest.request("OPTIONS", path)
        assert (options.status, options.response.headers["Allow"]) == (204, methods_allowed)
        assert options.response.body == b""
        for method in ("PUT", "PATCH", "TRACE", "BREW"):
            answer = rest.request(method, path)
            check_problem(answer, 405, "method-not-allowed")
            assert answer.response.headers["Allow"] == methods_allowed
    check_problem(rest.request("POST", "/v1/bindings"), 405, "method-not-allowed")


def test_options_for_the_whole_server(rest: RestWorld) -> None:
    request = Request.blank("/", method="OPTIONS")
    request.environ["PATH_INFO"] = "*"
    response = request.get_response(rest.application)
    assert (response.status_int, response.headers["Allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, POST")


@pytest.mark.parametrize(
    "path", ["/v1", "/v2/handovers", "/v1/handovers/", "/v1/handovers/x/y", "//", "/v1/mags/", "/dashboard", "/%00"]
)
def test_unknown_paths(rest: RestWorld, path: str) -> None:
    check_problem(rest.get(path), 404, "unknown-path")


def test_a_path_that_is_not_utf_8(rest: RestWorld) -> None:
    check_problem(rest.get("/v1/bindings/%ff"), 400, "malformed")


@pytest.mark.parametrize("content_type", [
    "text/plain", "application/x-www-form-urlencoded", "application/json5", None, "application/json; charset=latin1",
    'application/json;x=1; Charset="utf-16"',
])
def test_a_body_that_is_not_said_to_be_json(rest: RestWorld, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content_Type": content_type}
    answer = rest.request("POST", "/v1/handovers", b'{"mn_id": "mn1", "new_mag": "mag2"}', **headers)
    check_problem(answer, 415, "unsupported-media-type")
    assert answer.response.headers["Accept"] == "application/json"


def test_a_body_that_is_encoded_is_not_read_as_if_it_were_not(rest: RestWorld) -> None:
    body = b'{"mn_id": "mn1", "new_mag": "mag2"}'
    answer = rest.request("POST", "/v1/handovers", body, Content_Type="application/json", Content_Encoding="gzip")
    check_problem(answer, 415, "unsupported-media-type")
    assert answer.response.headers["Accept-Encoding"] == "identity"
    plain = rest.request("POST", "/v1/handovers", body, Content_Type="application/json", Content_Encoding="identity")
    assert plain.status == 202


def test_json_with_a_charset_is_json(rest: RestWorld) -> None:
    body = b'{"mn_id": "mn1", "new_mag": "mag2"}'
    assert rest.request("POST", "/v1/handovers", body, Content_Type="Application/JSON; charset=utf-8").status == 202


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b'{"mn_id": "mn1", "new_mag": "mag2"', b"\xff\xfe", b"[" * 60_000, b"{'a': 1}", b"1 2",
        b'{"mn_id": "\\ud800", "new_mag": "mag2"}',  # half a surrogate pair (RFC 8259 section 8.2)
    ],
)
def test_a_body_that_is_not_json(rest: RestWorld, body: bytes) -> None:
    check_problem(rest.post(body), 400, "malformed")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_python_takes_for_a_number_is_not_json(rest: RestWorld, number: str) -> None:
    """RFC 8259 section 6; known fields and unknown ones alike."""
    for body in (f'{{"mn_id": {number}, "new_mag": "mag2"}}', f'{{"mn_id": "mn1", "new_mag": "mag2", "x": [{number}]}}'):
        check_problem(rest.post(body.encode()), 400, "malformed")


@pytest.mark.parametrize("body", [
    pytest.param(b"{" + b'"mn_id":"z",' * 5300 + b'"new_mag":"zz"}', id="one name, many times"),
    pytest.param(b"{" + b",".join(b'"%x":0,"%x":0' % (i, i) for i in range(3000)) + b"}", id="many names, twice"),
    pytest.param(b'{"mn_id":' + b"9" * 65_000 + b"}", id="an integer of many digits"),
    pytest.param(b'{"mn_id":0.' + b"9" * 65_000 + b"}", id="a fraction of many digits"),
    pytest.param(b'{"mn_id":' + b"[" * 30_000 + b"]" * 30_000 + b"}", id="arrays in arrays"),
    pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="objects in objects"),
    pytest.param(b"{" + b",".join(b'"%x":0' % i for i in range(7000)) + b"}", id="many unknown fields"),
])
def test_no_body_holds_up_the_process_that_confirms_clones(rest: RestWorld, body: bytes) -> None:
    begin = time.thread_time()
    answer = rest.post(body)
    # Some milliseconds; comparing each with each would be half a second and more.
    assert time.thread_time() - begin < 0.2
    assert answer.status in (400, 422)
    assert len(answer.response.body) < 16_000
    assert len(answer.json.get("errors", [])) <= 20


def test_a_body_of_the_largest_size_is_read_and_one_octet_more_is_refused(rest: RestWorld) -> None:
    body = b'{"mn_id": "mn1", "new_mag": "mag2"}'
    assert rest.post(body.ljust(BODY_OCTETS_MAX)).status == 202
    check_problem(rest.post(body.ljust(BODY_OCTETS_MAX + 1)), 413, "too-large")


def test_a_body_without_length_is_bounded_as_well(rest: RestWorld) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b" " * size

    endless = Endless()
    request = Request.blank(
        "/v1/handovers", method="POST", headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    )
    request.environ["wsgi.input"] = endless
    request.environ.pop("CONTENT_LENGTH", None)
    response = request.get_response(rest.application)
    assert response.status_int == 413
    assert endless.given <= BODY_OCTETS_MAX + 1


def test_an_unknown_transfer_coding_is_refused(rest: RestWorld) -> None:
    answer = rest.request("POST", "/v1/handovers", b"{}", Content_Type="application/json", Transfer_Encoding="gzip")
    check_problem(answer, 400, "malformed")


def test_a_fault_of_ours_is_logged_and_says_nothing_of_the_inside(
    rest: RestWorld, caplog: pytest.LogCaptureFixture
) -> None:
    rest.executor.failure = KeyError("secret")
    answer = rest.post({"mn_id": "mn1", "new_mag": "mag2"})
    check_problem(answer, 500, "internal")
    assert "secret" not in answer.response.text
    assert "KeyError: 'secret'" in caplog.text


def test_a_refusal_with_a_status_that_rest_does_not_know_is_a_fault_of_ours(rest: RestWorld) -> None:
    rest.executor.ask = lambda _: [HandoverRefused(status=418, field="", reason="tea")]  # type: ignore[method-assign]
    check_problem(rest.post({"mn_id": "mn1", "new_mag": "mag2"}), 500, "internal")


def test_answers_without_a_tag_are_not_stored_and_others_are_asked_for_again(rest: RestWorld) -> None:
    for path, kept in (("/v1/mags", "private, no-cache"), ("/healthz", "no-store"), ("/nothing", "no-store")):
        headers = rest.get(path).response.headers
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == (kept, "nosniff")


def test_a_route_takes_one_segment_for_a_name() -> None:
    route = Route(
        method="GET", path="/a/{b}/c", summary="", tag="", answers=(), answer=lambda _: json_response(b"{}")
    )
    assert route.match("/a/x/c") == {"b": "x"}
    for path in ("/a//c", "/a/x", "/a/x/c/", "/a/x/d", "a/x/c"):
        assert route.match(path) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
NEAR = st.fixed_dictionaries(
    {},
    optional={
        "mn_id": st.sampled_from([MN1, MN2, "mn1", "", "mn9"]) | JSON,
        "new_mag": st.sampled_from(["mag1", "mag2", "lma"]) | JSON,
        "more": JSON,
    },
)


@given(value=JSON | NEAR)
@settings(max_examples=200, deadline=None)
def test_any_json_is_accepted_or_refused_for_the_clients_part(value: Any) -> None:
    answer = RestWorld().post(value)
    assert answer.status in (202, 400, 404, 409, 422)
    assert answer.status == 202 or answer.json["status"] == answer.status


@given(body=st.binary(max_size=200), media_type=st.sampled_from(["application/json", "text/plain"]))
@settings(max_examples=100, deadline=None)
def test_any_octets_are_refused_in_good_form(body: bytes, media_type: str) -> None:
    answer = RestWorld(connected=False).request("POST", "/v1/handovers", body, Content_Type=media_type)
    assert 400 <= answer.status < 500
    assert json.loads(answer.response.body)["status"] == answer.status


@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT"]),
    path=st.text(st.characters(codec="latin-1"), max_size=30)
    | st.builds("/v1/{}/{}".format, st.sampled_from(["handovers", "bindings", "mags"]), st.text(max_size=10)),
    query=st.text(st.characters(codec="ascii"), max_size=30),
)
@settings(max_examples=200, deadline=None)
def test_any_path_and_query_have_an_answer(method: str, path: str, query: str) -> None:
    request = Request.blank("/", method=method)
    request.environ["PATH_INFO"] = path.encode("utf-8", "surrogatepass").decode("latin-1")
    request.environ["QUERY_STRING"] = query
    response = request.get_response(RestWorld(connected=False).application)
    assert response.status_int in (200, 400, 404, 405, 415, 422)
