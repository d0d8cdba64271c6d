# SPDX-License-Identifier: Apache-2.0
"""The REST application over the real core: every route, every error, and any JSON at all."""

from __future__ import annotations

import io
import json
from http import HTTPStatus
from typing import Any

import eventlet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webob import Request

from apps.metrics import Metrics
from apps.rest.api import Api
from apps.rest.problems import PROBLEM_TYPES
from apps.rest.requests import BODY_OCTETS_MAX
from apps.rest.routing import Route, json_response
from controller.commands import HandoverRefused
from controller.events import AgentDisconnected, AgentRequested, SwitchDisconnected
from southbound.rpc import methods
from tests.support.domain_script import MN1, MN2, WALL
from tests.support.rest_world import RestWorld


@pytest.fixture
def rest() -> RestWorld:
    return RestWorld()


def check_problem(answer: Any, status: int, name: str, field: str | None = None) -> dict[str, Any]:
    """RFC 9457 section 3: media type, the five members, status the same in both places."""
    assert answer.status == status
    assert answer.response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json
    assert document["type"] == f"/problems/{name}"
    assert document["status"] == status
    assert document["title"] == PROBLEM_TYPES[name].title
    assert document["detail"]
    assert "Traceback" not in answer.response.text
    if field is not None:
        assert field in [error["field"] for error in document["errors"]]
        assert all(error["detail"] for error in document["errors"])
    return document


# --- handovers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mn_id", [MN1, "mn1"])
def test_a_handover_is_accepted_by_full_or_short_name_and_told_to_the_previous_mag(rest: RestWorld, mn_id: str) -> None:
    answer = rest.post({"mn_id": mn_id, "new_mag": "mag2"})
    assert answer.status == HTTPStatus.ACCEPTED
    assert answer.response.headers["Location"].endswith("/v1/handovers/ho-000000000001")
    assert answer.json == {
        "id": "ho-000000000001", "number": 1, "started_at": WALL,
        "mn_id": MN1, "previous_mag": "mag1", "new_mag": "mag2", "state": "requested",
        "mode": "predictive", "trigger": "rest", "groups": [], "steps": [], "packets": {},
        "packets_over_time": [], "error": None,
    }
    (call,) = rest.executor.calls
    assert call.mag_id == "mag1"
    assert call.call == methods.StartHandover(handover_id="ho-000000000001", mn_id=MN1, new_mag="mag2")
    assert rest.get("/v1/handovers/ho-000000000001").json == answer.json


def test_the_mode_is_told_to_the_previous_mag_and_shown(rest: RestWorld) -> None:
    answer = rest.post({"mn_id": "mn1", "new_mag": "mag2", "mode": "join"})
    assert (answer.status, answer.json["mode"]) == (HTTPStatus.ACCEPTED, "join")
    (call,) = rest.executor.calls
    assert call.call.mode == "join"


def test_ids_are_ho_and_twelve_hexadecimal_digits() -> None:
    rest = RestWorld()
    api = Api(
        domain=rest.domain, core=rest.executor, switches=rest.executor,
        metrics=Metrics(rest.executor.snapshot, dict, rest.executor), events=rest.events, memory=rest.memory,
        ask_agents=rest.ask_agents,
    )
    rest.application = api.application
    handover_id = rest.hand_over()
    assert handover_id.startswith("ho-")
    assert len(bytes.fromhex(handover_id.removeprefix("ho-"))) == 6


@pytest.mark.parametrize(
    ("body", "status", "name", "field"),
    [
        ({"mn_id": "nobody@example.net", "new_mag": "mag2"}, 404, "not-found", "mn_id"),
        ({"mn_id": "mn1", "new_mag": "mag9"}, 404, "not-found", "new_mag"),
        ({"mn_id": "mn1", "new_mag": "mag1"}, 422, "not-valid", "new_mag"),
        ({"mn_id": "mn2", "new_mag": "mag2"}, 409, "conflict", "mn_id"),  # not registered anywhere
        ({"mn_id": "", "new_mag": "mag2"}, 422, "not-valid", "mn_id"),
        ({"mn_id": "x" * 254, "new_mag": "mag2"}, 422, "not-valid", "mn_id"),
        ({"mn_id": None, "new_mag": "mag2"}, 422, "not-valid", "mn_id"),
        ({"mn_id": "mn1"}, 422, "not-valid", "new_mag"),
        ({"mn_id": "mn1", "new_mag": "mag2", "when": 1}, 422, "not-valid", "when"),
        ({"mn_id": "mn1", "new_mag": "mag2", "mode": "reactive"}, 422, "not-valid", "mode"),
        ([], 422, "not-valid", ""),
        ("mn1", 422, "not-valid", ""),
        (None, 422, "not-valid", ""),
    ],
)
def test_a_handover_that_cannot_be_is_refused_by_field(
    rest: RestWorld, body: Any, status: int, name: str, field: str
) -> None:
    answer = rest.post(body)
    check_problem(answer, status, name, field)
    assert rest.executor.calls == []


def test_all_fields_at_fault_are_named_with_what_was_found_and_what_is_allowed(rest: RestWorld) -> None:
    document = check_problem(rest.post({"mn_id": 5, "extra": []}), 422, "not-valid")
    assert document["errors"] == [
        {"field": "mn_id", "detail": "found 5; allowed: MN-ID (NAI) or short name, 1 to 253 characters"},
        {"field": "new_mag", "detail": "found nothing; allowed: id of a MAG, 1 to 253 characters"},
        {"field": "extra", "detail": "unknown field; allowed: mn_id, new_mag, mode"},
    ]


def test_thousands_of_unknown_fields_do_not_make_a_long_answer(rest: RestWorld) -> None:
    answer = rest.post({f"field{number}": 0 for number in range(3000)})
    assert len(check_problem(answer, 422, "not-valid")["errors"]) == 20


def test_a_second_handover_of_the_same_mobile_node_is_a_conflict(rest: RestWorld) -> None:
    first = rest.hand_over()
    document = check_problem(rest.post({"mn_id": "mn1", "new_mag": "mag2"}), 409, "conflict", "mn_id")
    assert first in document["detail"]


@pytest.mark.parametrize(
    ("event", "part", "field"),
    [
        (AgentDisconnected(mag_id="mag1"), "agent of mag1", "mn_id"),
        (AgentDisconnected(mag_id="mag2"), "agent of mag2", "new_mag"),
        (SwitchDisconnected(switch="mag2"), "switch of mag2", "new_mag"),
    ],
)
def test_without_agent_or_switch_it_is_unavailable(rest: RestWorld, event: Any, part: str, field: str) -> None:
    rest.executor.post(event)
    document = check_problem(rest.post({"mn_id": "mn1", "new_mag": "mag2"}), 503, "unavailable", field)
    assert part in document["detail"]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_core_that_does_not_answer_in_time_is_unavailable_and_the_answer_names_the_handover(
    rest: RestWorld, method: str
) -> None:
    handover_id = rest.hand_over() if method == "DELETE" else "ho-000000000001"
    rest.executor.failure = eventlet.Timeout()
    path = f"/v1/handovers/{handover_id}"
    answer = rest.request("DELETE", path) if method == "DELETE" else rest.post({"mn_id": "mn1", "new_mag": "mag2"})
    document = check_problem(answer, 503, "unavailable")
    assert answer.response.headers["Retry-After"] == "1"
    assert handover_id in document["detail"]
    rest.executor.failure.cancel()  # type: ignore[attr-defined]


def test_a_handover_is_cancelled_at_the_previous_mag(rest: RestWorld) -> None:
    handover_id = rest.hand_over()
    answer = rest.request("DELETE", f"/v1/handovers/{handover_id}")
    assert answer.status == HTTPStatus.ACCEPTED
    assert answer.json["id"] == handover_id
    assert rest.executor.calls[-1].call == methods.CancelHandover(handover_id=handover_id, mn_id=MN1)


def test_a_handover_whose_mobile_node_has_arrived_cannot_be_cancelled(rest: RestWorld) -> None:
    handover_id = rest.hand_over()
    rest.notify("mag2", methods.MobileNodeAttached(mn_id=MN1, access_port="mn1"))
    check_problem(rest.request("DELETE", f"/v1/handovers/{handover_id}"), 409, "conflict", "handover_id")


def fail(rest: RestWorld, handover_id: str) -> None:
    release = methods.ReleaseForwarding(handover_id=handover_id, mn_id=MN1, outcome="failed", reason="no answer")
    rest.executor.post(AgentRequested(mag_id="mag1", token=1, call=release))


def test_handovers_come_newest_first_and_are_filtered_and_limited(rest: RestWorld) -> None:
    ids = []
    for _ in range(3):
        ids.append(rest.hand_over())
        fail(rest, ids[-1])
    ids.append(rest.hand_over())

    def listed(query: str) -> tuple[list[str], int]:
        found = rest.get(f"/v1/handovers{query}").json
        return [handover["id"] for handover in found["handovers"]], found["total"]

    assert listed("") == (ids[::-1], 4)
    assert listed("?limit=2") == (ids[:1:-1], 4)
    assert listed("?state=failed") == (ids[2::-1], 3)
    assert listed("?state=failed&limit=1") == ([ids[2]], 3)
    assert listed("?mn_id=mn1") == listed("?mn_id=mn1%40example.net") == (ids[::-1], 4)
    assert listed("?mn_id=mn2") == ([], 0)
    assert listed("?state=bound") == ([], 0)


@pytest.mark.parametrize(
    ("path", "status", "name", "field"),
    [
        ("/v1/handovers?limit=0", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=1001", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=-1", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=1_0", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=%D9%A1", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=99999999999999999999", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=", 422, "not-valid", "limit"),
        ("/v1/handovers?state=done", 422, "not-valid", "state"),
        ("/v1/handovers?state=", 422, "not-valid", "state"),
        ("/v1/handovers?order=asc", 422, "not-valid", "order"),
        ("/v1/handovers?limit=1&limit=2", 422, "not-valid", "limit"),
        ("/v1/handovers?mn_id=mn9", 404, "not-found", "mn_id"),
        ("/v1/handovers?state=failed,done", 422, "not-valid", "state"),
        ("/v1/handovers?ended=1", 422, "not-valid", "ended"),
        ("/v1/handovers?new_mag=mag9", 404, "not-found", "new_mag"),
        ("/v1/handovers?cursor=last", 422, "not-valid", "cursor"),
        ("/v1/bindings/mn1?limit=1", 422, "not-valid", "limit"),
        ("/v1/bindings?mag=mag9", 404, "not-found", "mag"),
        ("/v1/mags?cursor=mag9", 422, "not-valid", "cursor"),
        ("/v1/listeners?mn_id=mn9", 404, "not-found", "mn_id"),
        ("/v1/listeners?cursor=mag1", 422, "not-valid", "cursor"),
        ("/v1/flows?switch=mag9", 404, "not-found", "switch"),
        ("/v1/handovers?limit=%FF", 400, "malformed", None),
        ("/v1/handovers?limit", 400, "malformed", None),
        ("/v1/handovers?" + "&".join(f"p{n}=1" for n in range(21)), 400, "malformed", None),
    ],
)
def test_queries_are_judged(rest: RestWorld, path: str, status: int, name: str, field: str | None) -> None:
    check_problem(rest.get(path), status, name, field)


# --- what there is ---------------------------------------------------------------------------------------------------


def test_bindings(rest: RestWorld) -> None:
    (binding,) = rest.get("/v1/bindings").json["bindings"]
    assert binding["mn_id"] == MN1
    assert binding["proxy_care_of_address"] == "2001:db8:ff::11"
    assert binding["home_network_prefixes"] == ["2001:db8:100:1::/64"]
    for name in ("mn1", "mn1@example.net", "mn1%40example.net"):
        assert rest.get(f"/v1/bindings/{name}").json == binding
    assert "not registered" in check_problem(rest.get("/v1/bindings/mn2"), 404, "not-found", "mn_id")["detail"]
    assert "policy store" in check_problem(rest.get("/v1/bindings/mn9"), 404, "not-found", "mn_id")["detail"]


def test_mags(rest: RestWorld) -> None:
    mags = rest.get("/v1/mags").json["mags"]
    assert [mag["id"] for mag in mags] == ["mag1", "mag2"]
    assert mags[0] == rest.get("/v1/mags/mag1").json
    assert mags[0]["mobile_nodes"] == [MN1]
    assert "mag1, mag2" in check_problem(rest.get("/v1/mags/mag9"), 404, "not-found", "mag_id")["detail"]


def test_listeners(rest: RestWorld) -> None:
    assert rest.get("/v1/listeners").json == {
        "listeners": [
            {
                "mag": "mag1", "mn_id": MN1, "access_port": "mn1",
                "groups": [{"group": "ff1e::101", "filter_mode": "exclude", "sources": []}],
            }
        ],
        "total": 1,
    }


def test_switches(rest: RestWorld) -> None:
    switches = rest.get("/v1/switches").json["switches"]
    assert {switch["name"]: switch["connected"] for switch in switches} == dict.fromkeys(
        ["lma", "lma-transport", "mag1", "mag2"], True
    )


def test_flows_show_the_copy_to_the_listener(rest: RestWorld) -> None:
    everything = {switch["name"]: switch for switch in rest.get("/v1/flows").json["switches"]}
    assert list(everything) == ["lma", "lma-transport", "mag1", "mag2"]
    (mag1,) = rest.get("/v1/flows?switch=mag1").json["switches"]
    assert mag1 == everything["mag1"]
    (stream,) = [flow for flow in mag1["flows"] if flow["match"].get("ipv6_dst") == "ff1e::101"]
    groups = {f"group:{group['group_id']}": group for group in mag1["groups"]}
    assert stream["actions"][0] == "dec_ttl"
    # The group's Ethernet address is RFC 2464 section 7's.
    (bucket,) = groups[stream["actions"][1]]["buckets"]
    assert bucket["actions"][1:] == ["set_field:33:33:00:00:01:01->eth_dst", "output:mn1"]


def test_flows_show_the_ways_of_unicast(rest: RestWorld) -> None:
    (mag1,) = rest.get("/v1/flows?switch=mag1").json["switches"]
    groups = {f"group:{group['group_id']}": group for group in mag1["groups"]}
    (down,) = [flow for flow in mag1["flows"] if flow["match"].get("ipv6_dst") == "2001:db8:100:1::/64"]
    (bucket,) = groups[down["actions"][1]]["buckets"]
    assert bucket["actions"][1:] == ["set_field:02:00:00:00:00:11->eth_dst", "output:mn1"]
    (up,) = [flow for flow in mag1["flows"] if flow["match"].get("ipv6_src") == "2001:db8:100:1::/64"]
    assert up["match"] == {
        "in_port": "mn1", "eth_src": "02:00:00:00:00:11", "eth_dst": "02:ca:57:ff:ff:01", "eth_type": "0x86dd",
        "ipv6_src": "2001:db8:100:1::/64",
    }
    assert up["actions"] == ["check_pkt_larger(1466)->NXM_NX_REG0[0]", "write_metadata:0x100000000", "goto_table:1"]
    (on,) = [flow for flow in mag1["flows"] if flow["match"] == {"metadata": "0x100000000", "eth_type": "0x86dd"}]
    assert on["actions"] == ["dec_ttl", "set_field:0x64->tun_id", "output:lma0"]


def test_health_readiness_and_what_is_away(rest: RestWorld) -> None:
    assert rest.get("/healthz").json == {"status": "alive"}
    assert rest.get("/readyz").json == {"status": "ready"}
    rest.executor.post(AgentDisconnected(mag_id="mag2"))
    rest.executor.post(SwitchDisconnected(switch="lma-transport"))
    assert rest.get("/healthz").status == 200
    document = check_problem(rest.get("/readyz"), 503, "unavailable")
    assert document["away"] == [{"part": "agent", "name": "mag2"}, {"part": "switch", "name": "lma-transport"}]
    assert "agent of mag2" in document["detail"]


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


# --- the protocol ----------------------------------------------------------------------------------------------------


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


# --- anything at all -------------------------------------------------------------------------------------------------

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


def test_steps_and_times_are_shown_in_order(rest: RestWorld) -> None:
    handover_id = rest.hand_over()
    rest.step(handover_id, 2, "HI", "mag1", WALL + 0.002)
    rest.step(handover_id, 1, "HO-Initiate", "mag1", WALL + 0.001)
    steps = rest.get(f"/v1/handovers/{handover_id}").json["steps"]
    found = [(step["step"], step["name"], step["node"]) for step in steps]
    assert found == [(1, "HO-Initiate", "mag1"), (2, "HI", "mag1")]
    assert steps[0]["at"] == WALL + 0.001
