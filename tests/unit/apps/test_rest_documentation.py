# SPDX-License-Identifier: Apache-2.0
"""docs/reference/rest.md names every route and problem, its examples are carried out; metrics.md names every metric."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path

from apps.rest.problems import PROBLEM_TYPES
from apps.rest.request_models import EventQuery, HandoverQuery
from controller.handover import HandoverState
from tests.support.domain_script import MN2
from tests.support.rest_world import TOPOLOGY, Answer, RestWorld, reading
from topology.load import load_topology
from topology.rest_model import Rest, Webhook

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"
DOCUMENT = (REFERENCE / "rest.md").read_text(encoding="utf-8")
METRICS = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
BASE = "http://127.0.0.1:8080"
FIRST, SECOND, THIRD, FOURTH = "ho-5f0c19d2a7b3", "ho-c2e8714406fd", "ho-2f6ad91c0b8e", "ho-81d3305fe2c4"


def examples() -> list[tuple[str, str]]:
    """(curl command, what it prints), in the order of the page."""
    found = []
    for block in BLOCK.findall(DOCUMENT):
        command, _, output = block.removeprefix("$ ").replace("\\\n", " ").partition("\n")
        found.append((command, output))
    return found


def new_world() -> RestWorld:
    """With one webhook, to which nothing is sent."""
    domain = load_topology(TOPOLOGY)
    hook = Webhook(name="billing", url="https://billing.example.net/castover", secret_file="", events=("handover_ended",))
    domain = dataclasses.replace(domain, rest=Rest(webhooks=(hook,)))
    return RestWorld(domain=domain, ids=[FIRST, SECOND, THIRD, FOURTH])


def carry_out(world: RestWorld, command: str) -> Answer:
    words = shlex.split(command)
    assert words[0] == "curl"
    method, body, path, headers = "GET", None, "", {}
    words = words[1:]
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name.replace("-", "_")] = value
        elif word == "-d":
            method, body = "POST", words.pop(0).encode()
        elif word.startswith(BASE):
            path = word.removeprefix(BASE)
        else:
            assert word in ("-s", "-i", "-N"), command
    return world.request(method, path, body, **headers)


def prepare(world: RestWorld, command: str) -> None:
    """What has happened before this example."""
    if FIRST in command and "-X DELETE" not in command and not world.executor.snapshot().handovers[0]["steps"]:
        world.complete(FIRST)
    if "-X DELETE" in command and SECOND in command:
        world.post({"mn_id": "mn1", "new_mag": "mag1"})
    if "/v1/rates" in command:
        rules = world.executor.rules("mag2")
        world.executor.counters["mag2"] = [reading(rules, 10.0, 100), reading(rules, 12.0, 2100)]
    if "/batch" in command:
        world.attach("mag1", MN2)


def test_the_examples_are_what_the_api_answers() -> None:
    world = new_world()
    seen = 0
    for command, output in examples():
        prepare(world, command)
        if "/v1/events" in command:
            assert_events(world, output)
            continue
        answer = carry_out(world, command)
        if " -i " in command:
            head, _, output = output.partition("\n\n")
            status, *lines = head.strip().split("\n")
            assert status == f"HTTP/1.1 {answer.response.status}", command
            for line in lines:
                name, _, value = line.partition(": ")
                assert answer.response.headers[name] == value.replace(BASE, "http://localhost"), command
        if "..." in output and "json" in answer.response.content_type:
            begin = "".join(output.partition("...")[0].split())
            assert "".join(answer.response.text.split()).startswith(begin), command
        elif not answer.response.body:
            assert output == "", command
        elif answer.response.content_type.endswith("json"):
            assert json.loads(output) == answer.json, command
        else:
            for line in output.splitlines():
                assert line == "..." or line in answer.response.text.splitlines(), command
        seen += 1
    assert seen >= 17


def assert_events(world: RestWorld, output: str) -> None:
    """The lines of the example are among those that a reader of the whole ring gets."""
    reader = world.events.follow("from the start")
    lines = (next(reader) + next(reader)).decode().splitlines()
    reader.close()
    for line in output.splitlines():
        if line not in ("", "...", ": heartbeat"):
            assert line in lines, line


def test_every_route_has_its_heading_and_example() -> None:
    commands = [command for command, _ in examples()]
    headings = re.findall(r"(?m)^### `(\w+) (\S+)`", DOCUMENT)
    routes = RestWorld().api.routes
    assert sorted(headings) == sorted((route.method, route.path) for route in routes)
    for route in routes:
        pattern = re.compile(re.escape(BASE) + re.sub(r"\\{\w+\\}", "[^/ ]+", re.escape(route.path)) + r"(\?\S*)?'?$")
        wanted = "-X DELETE" if route.method == "DELETE" else "-d" if route.method == "POST" else ""
        matching = [command for command in commands if any(pattern.search(word) for word in command.split())]
        assert [command for command in matching if wanted in command], route


def test_every_problem_type_state_and_parameter_is_explained() -> None:
    for name, kind in PROBLEM_TYPES.items():
        assert f"| `/problems/{name}` | {kind.status} |" in DOCUMENT
    for state in HandoverState:
        assert f"| `{state.value}` |" in DOCUMENT
    for name in HandoverQuery.model_fields:
        assert re.search(rf"(?m)^\| .*`{name}`", DOCUMENT), name
    for name in EventQuery.model_fields:
        assert f"`?{name}=`" in DOCUMENT


def test_every_metric_is_named_and_every_named_one_is_there() -> None:
    families = {family.name for family in RestWorld().metrics.registry.collect()}
    ours = {name for name in families if name.startswith("castover_")}
    named = set(re.findall(r"(?m)^\| `(castover_\w+)`", METRICS))
    assert {name.removesuffix("_total") for name in named} == ours
