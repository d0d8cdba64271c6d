# SPDX-License-Identifier: Apache-2.0
"""Asking again: pages, entity tags, idempotency keys; and many handovers in one request."""

from __future__ import annotations

import json
import re
from typing import Any

import eventlet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from webob import Request

from apps.rest.idempotency import IdempotencyStore
from apps.rest.openapi_parts import REQUEST_HEADERS
from apps.rest.problems import Problem
from apps.rest.request_models import HandoverRequest
from apps.rest.routing import Call, json_response
from controller.commands import HandoverAccepted
from controller.events import AgentRequested
from southbound.rpc import methods
from tests.support.domain_script import MN1, MN2
from tests.support.rest_world import Answer, RestWorld

START = {"mn_id": "mn1", "new_mag": "mag2"}


def fail(rest: RestWorld, handover_id: str) -> None:
    release = methods.ReleaseForwarding(handover_id=handover_id, mn_id=MN1, outcome="failed", reason="no answer")
    rest.executor.post(AgentRequested(mag_id="mag1", token=1, call=release))


def links(answer: Answer) -> dict[str, str]:
    """Relation -> target (RFC 8288 section 3)."""
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', answer.response.headers.get("Link", ""))
    return {relation: target for target, relation in found}


# --- pages -----------------------------------------------------------------------------------------------------------


@given(count=st.integers(0, 12), limit=st.integers(1, 13), arriving=st.lists(st.booleans(), max_size=12))
@settings(max_examples=40, deadline=None)
def test_pages_show_everything_once_whatever_begins_meanwhile(count: int, limit: int, arriving: list[bool]) -> None:
    rest = RestWorld()
    known = []
    for _ in range(count):
        known.append(rest.hand_over())
        fail(rest, known[-1])
    seen: list[str] = []
    path: str | None = f"/v1/handovers?limit={limit}&state=failed,completed"
    for late in [*arriving, *[False] * 13]:
        answer = rest.get(path)
        page = [handover["id"] for handover in answer.json["handovers"]]
        assert len(page) <= limit
        seen += page
        path = links(answer).get("next")
        if path is None:
            break
        if late:
            fail(rest, rest.hand_over())
    assert path is None
    assert seen == known[::-1]


def test_every_list_has_pages_and_their_links_keep_the_filter(rest: RestWorld) -> None:
    rest.attach("mag1", MN2)
    for path, key, total in (
        ("/v1/bindings?mag=mag1", "bindings", 2), ("/v1/listeners?mag=mag1", "listeners", 2), ("/v1/mags", "mags", 2),
        ("/v1/switches", "switches", 4), ("/v1/flows", "switches", 4),
    ):
        everything = rest.get(path).json
        assert everything["total"] == total == len(everything[key])
        assert "Link" not in rest.get(path).response.headers
        found, target = [], f"{path}{'&' if '?' in path else '?'}limit=1"
        for _ in range(total):
            answer = rest.get(target)
            found += answer.json[key]
            target = links(answer).get("next", "")
            assert not target or path.partition("?")[2] in target
        assert (found, target) == (everything[key], "")
        assert links(answer)["first"].startswith(path.partition("?")[0])


# --- entity tags -----------------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_sent_again(rest: RestWorld) -> None:
    first = rest.get("/v1/mags")
    tag = first.response.headers["ETag"]
    assert re.fullmatch(r'"[^"]+"', tag)  # strong
    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = rest.get("/v1/mags", If_None_Match=condition)
        assert (again.status, again.response.body, again.response.headers["ETag"]) == (304, b"", tag)
        assert rest.request("HEAD", "/v1/mags", If_None_Match=condition).status == 304
    assert rest.get("/v1/mags", If_None_Match='"other"').status == 200
    rest.hand_over()  # changes the handovers, and nothing of the MAGs
    assert rest.get("/v1/mags", If_None_Match=tag).status == 304
    rest.attach("mag1", MN2)
    changed = rest.get("/v1/mags", If_None_Match=tag)
    assert (changed.status, changed.response.headers["ETag"] == tag) == (200, False)


def test_a_tag_is_no_answer_for_what_is_not_there(rest: RestWorld) -> None:
    assert rest.get("/v1/bindings/mn2", If_None_Match="*").status == 404


@given(actions=st.lists(st.sampled_from(["start", "fail", "attach", "step", "ask", "counters"]), max_size=20))
@settings(max_examples=60, deadline=None)
def test_equal_tags_mean_equal_octets(actions: list[str]) -> None:
    rest = RestWorld()
    paths = ("/v1/handovers", "/v1/mags", "/v1/bindings", "/v1/listeners", "/v1/switches", "/v1/flows", "/v1/topology")
    seen: dict[tuple[str, str], bytes] = {}
    handover_id = ""
    for action in [*actions, "ask"]:
        match action:
            case "start":
                answer = rest.post(START)
                handover_id = answer.json["id"] if answer.status == 202 else handover_id
            case "fail" if handover_id:
                fail(rest, handover_id)
            case "attach":
                rest.attach("mag2", MN2)
            case "step" if handover_id:
                rest.step(handover_id, 2, "HI", "mag1", 5.0)
            case "counters":
                rest.notify("mag1", methods.AgentCounters(counters={"junk": len(seen)}))
            case _:
                for path in paths:
                    answer = rest.get(path)
                    body = seen.setdefault((path, answer.response.headers["ETag"]), answer.response.body)
                    assert body == answer.response.body, path


def test_a_picture_names_the_event_that_it_belongs_to(rest: RestWorld) -> None:
    place = rest.get("/v1/handovers").response.headers["Castover-Event-Id"]
    rest.hand_over()
    reader = rest.events.follow(place)
    assert b"gap" not in next(reader)
    assert b'"handover_requested"' in next(reader)


# --- idempotency -----------------------------------------------------------------------------------------------------


def post(rest: RestWorld, body: Any, key: str | None, path: str = "/v1/handovers") -> Answer:
    headers = {} if key is None else {"Idempotency-Key": key}
    return rest.request("POST", path, json.dumps(body).encode(), Content_Type="application/json", **headers)


def test_the_same_key_and_body_get_the_same_answer_and_one_handover(rest: RestWorld) -> None:
    first, second = post(rest, START, '"a"'), post(rest, {**START, "mode": "predictive"}, '"a"')
    assert (first.status, second.status) == (202, 202)
    assert first.response.body == second.response.body
    assert second.response.headers["Location"] == first.response.headers["Location"]
    assert "Idempotent-Replayed" not in first.response.headers
    assert second.response.headers["Idempotent-Replayed"] == "true"
    assert len(rest.executor.calls) == 1
    # Many clients forget the quotes.
    assert post(rest, START, "a").response.body == first.response.body
    assert post(rest, START, '"b"').status == 409
    assert post(rest, START, None).status == 409


def test_a_refusal_is_kept_as_well(rest: RestWorld) -> None:
    refused = post(rest, {"mn_id": "mn2", "new_mag": "mag2"}, '"a"')
    rest.attach("mag1", MN2)
    again = post(rest, {"mn_id": "mn2", "new_mag": "mag2"}, '"a"')
    assert (refused.status, again.status, again.response.body) == (409, 409, refused.response.body)


def test_the_same_key_with_another_body_is_refused(rest: RestWorld) -> None:
    post(rest, START, '"a"')
    refused = post(rest, {"mn_id": "mn2", "new_mag": "mag2"}, '"a"')
    assert (refused.status, refused.json["type"]) == (422, "/problems/idempotency-key-reused")
    # Another resource is another matter.
    assert post(rest, {"handovers": [START]}, '"a"', "/v1/handovers/batch").status == 207


# Two header lines come as one, with a comma between them (RFC 9110 section 5.2).
@pytest.mark.parametrize("key", ['""', '"a', 'a"b', "a b", '"\xe9"', "", '"' + 256 * "x" + '"', '"a","b"', "a,b", '"a", b'])
def test_what_is_no_key_is_refused(rest: RestWorld, key: str) -> None:
    refused = post(rest, START, key)
    assert (refused.status, refused.json["errors"][0]["field"]) == (400, "Idempotency-Key")
    assert rest.executor.calls == []


SCHEMA = REQUEST_HEADERS["Idempotency-Key"]["schema"]
KEYS = st.one_of(
    st.from_regex(SCHEMA["pattern"], fullmatch=True), st.text('",\\ a', max_size=8),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7F), max_size=300),
)


@settings(max_examples=300)
@given(KEYS.filter(lambda key: key == key.strip()))
@example("a,b")
@example('"' + 127 * '\\"' + 'a"')
def test_what_the_document_calls_a_key_is_taken_and_nothing_else(key: str) -> None:
    described = re.fullmatch(SCHEMA["pattern"], key) is not None and len(key) <= SCHEMA["maxLength"]
    request = Request.blank("/v1/handovers", headers={"Idempotency-Key": key})
    call = Call(names={}, query=None, body=HandoverRequest(mn_id="mn1", new_mag="mag2"), request=request)
    store = IdempotencyStore(keys_max=3, age_s=10)
    try:
        store.answer(call, lambda _: json_response(b"{}"))
    except Problem:
        assert not described
    else:
        assert described


def test_a_request_under_way_is_a_conflict_and_a_busy_core_is_asked_again_under_the_same_name(rest: RestWorld) -> None:
    inner: list[Answer] = []

    def slow(event: Any) -> Any:
        rest.executor.post(event)  # the core takes it after all
        inner.append(post(rest, START, '"a"'))
        raise eventlet.Timeout

    ask, rest.executor.ask = rest.executor.ask, slow  # type: ignore[method-assign]
    busy = post(rest, START, '"a"')
    assert (inner[0].status, inner[0].json["type"]) == (409, "/problems/idempotency-key-in-use")
    assert busy.status == 503
    rest.executor.ask = ask  # type: ignore[method-assign]
    found = post(rest, START, '"a"')
    assert found.status == 202
    assert found.json["id"] in busy.json["detail"]
    assert rest.get("/v1/handovers").json["total"] == 1


def test_keys_are_bounded_in_number_and_age() -> None:
    now = 0.0
    store = IdempotencyStore(keys_max=3, age_s=10, clock=lambda: now)
    carried_out: list[str] = []

    def ask(key: str) -> None:
        request = Request.blank("/v1/handovers", headers={"Idempotency-Key": f'"{key}"'})
        body = HandoverRequest(mn_id="mn1", new_mag="mag2")
        call = Call(names={}, query=None, body=body, request=request)
        store.answer(call, lambda _: carried_out.append(key) or json_response(b"{}"))  # type: ignore[func-returns-value]

    for key in "abcdd":
        ask(key)
    assert (carried_out, len(store)) == (list("abcd"), 3)
    ask("a")
    assert carried_out == list("abcda")
    now = 10.0
    ask("a")
    assert (carried_out, len(store)) == (list("abcdaa"), 1)


# --- many at once ----------------------------------------------------------------------------------------------------


def batch(rest: RestWorld, *wanted: Any, key: str | None = None) -> Answer:
    return post(rest, {"handovers": list(wanted)}, key, "/v1/handovers/batch")


def test_a_batch_begins_all_that_can_begin_and_says_of_each_what_became_of_it(rest: RestWorld) -> None:
    rest.attach("mag1", MN2)
    mixed = batch(rest, START, START, {"mn_id": "mn9", "new_mag": "mag2"}, {"mn_id": "mn2", "new_mag": "mag2"})
    assert (mixed.status, mixed.json["accepted"], mixed.json["refused"]) == (207, 2, 2)
    results = mixed.json["results"]
    assert [result["index"] for result in results] == [0, 1, 2, 3]
    assert [result["status"] for result in results] == [202, 409, 404, 202]
    assert ["handover" in result for result in results] == [True, False, False, True]
    assert results[0]["handover"]["id"] in results[1]["problem"]["detail"]
    assert results[2]["problem"]["errors"][0]["field"] == "mn_id"
    assert [call.call.mn_id for call in rest.executor.calls] == [MN1, MN2]
    refused = batch(rest, START)
    assert (refused.status, refused.json["accepted"]) == (207, 0)


def test_a_batch_of_which_all_begin_is_accepted_and_answered_once(rest: RestWorld) -> None:
    rest.attach("mag1", MN2)
    wanted = (START, {"mn_id": "mn2", "new_mag": "mag2", "mode": "join"})
    first, again = batch(rest, *wanted, key='"a"'), batch(rest, *wanted, key='"a"')
    assert (first.status, again.status) == (202, 202)
    assert first.response.body == again.response.body
    assert len(rest.executor.calls) == 2


@pytest.mark.parametrize(
    ("wanted", "field", "detail"),
    [
        ([], "handovers", "found an empty array"), ([START] * 65, "handovers", "limits.handovers_per_request, 64"),
        ([START] * 257, "handovers", "found an array of 257; allowed: 1 to 256"),
        ([START, {"mn_id": "mn2"}], "handovers[1].new_mag", "found nothing; allowed: id of a MAG"),
        ([START, 7], "handovers[1]", "found 7; allowed: an object with mn_id, new_mag, mode"),
        ([{**START, "when": 1}], "handovers[0].when", "unknown field; allowed: mn_id, new_mag, mode"),
    ],
)
def test_a_batch_that_is_not_valid_begins_nothing(rest: RestWorld, wanted: list[Any], field: str, detail: str) -> None:
    refused = batch(rest, *wanted)
    assert refused.status == 422
    assert refused.json["errors"][0]["field"] == field
    assert detail in refused.json["errors"][0]["detail"]
    assert rest.executor.calls == []


def test_what_a_busy_core_did_not_take_is_told_and_tried_again(rest: RestWorld) -> None:
    rest.attach("mag1", MN2)
    ask = rest.executor.ask

    def stall(event: Any) -> Any:
        raise eventlet.Timeout

    def once(event: Any) -> Any:
        rest.executor.ask = stall  # type: ignore[method-assign]
        return ask(event)

    rest.executor.ask = once  # type: ignore[method-assign]
    wanted = (START, {"mn_id": "mn2", "new_mag": "mag2"})
    busy = batch(rest, *wanted, key='"a"')
    assert [result["status"] for result in busy.json["results"]] == [202, 503]
    rest.executor.ask = ask  # type: ignore[method-assign]
    again = batch(rest, *wanted, key='"a"')
    assert again.status == 202
    assert again.json["results"][0]["handover"]["id"] == busy.json["results"][0]["handover"]["id"]
    assert [call.call.mn_id for call in rest.executor.calls] == [MN1, MN2]


def test_a_field_that_is_named_twice_is_refused(rest: RestWorld) -> None:
    rest.executor.ask = lambda _: [HandoverAccepted(handover_id="x")]  # type: ignore[method-assign]
    body = b'{"mn_id": "mn1", "new_mag": "mag2", "mn_id": "mn2"}'
    refused = rest.request("POST", "/v1/handovers", body, Content_Type="application/json")
    assert (refused.status, refused.json["type"]) == (400, "/problems/malformed")
    assert refused.json["errors"] == [{"field": "mn_id", "detail": "given more than once; allowed: once"}]
