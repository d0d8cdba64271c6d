# SPDX-License-Identifier: Apache-2.0
"""Dashboard and alerts ask for metrics that there are, with labels and values that there are; each alert is explained."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from apps.metrics.buffer import INCIDENTS, PACKETS
from southbound.codec.iana import BindingStatus
from southbound.rpc import methods
from tests.support.domain_script import MN1
from tests.support.rest_world import RestWorld

ROOT = Path(__file__).resolve().parents[3]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "castover.json").read_text(encoding="utf-8"))
_METRIC = re.compile(r"\b(castover_\w+|process_\w+)(?:\{([^}]*)\})?")
_SUFFIXES = ("_bucket", "_count", "_sum", "_total")


def rules() -> list[dict[str, str]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[str]:
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [*shown, *(rule["expr"] for rule in rules())]


@pytest.fixture(scope="module")
def families() -> dict[str, frozenset[str]]:
    """Label names by metric."""
    world = RestWorld()
    handover_id = world.hand_over()
    world.complete(handover_id)
    counters = {"cut_missing": 1}
    world.notify("mag2", methods.BufferReport(handover_id=handover_id, mn_id=MN1, counters=counters))
    world.metrics.called("to_agent", "handover.start", "ok", 0.001)
    return {
        family.name: frozenset(name for sample in family.samples for name in sample.labels)
        for family in world.metrics.registry.collect()
    }


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_asks_for_what_there_is(expression: str, families: dict[str, frozenset[str]]) -> None:
    found = _METRIC.findall(expression)
    assert found or expression.startswith("up{")
    for name, matchers in found:
        base = next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)
        labels = families.get(base, families.get(name))
        assert labels is not None, name
        asked = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers)) - {"job"}
        if name != "castover_mobility_messages_total":  # no agent has told of messages here
            assert asked <= labels, (name, asked - labels)
    for label, values in re.findall(r'(outcome|kind)="([^"]+)"', expression):
        assert values in (*PACKETS, *INCIDENTS, "completed", "failed", "cancelled"), (label, values)


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_alert_is_explained() -> None:
    document = (ROOT / "docs" / "how-to" / "watch.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"(?m)^\| `(Castover\w+)`", document))
    assert explained == {rule["alert"] for rule in rules()}


def test_counters_that_alerts_look_at_are_there_with_0_from_the_start() -> None:
    """For Prometheus a counter that begins at 1 has not grown: the first incident would be told to nobody."""
    world = RestWorld(connected=False)
    samples = [sample for family in world.metrics.registry.collect() for sample in family.samples]
    mags = {mag.id for mag in world.domain.mags}
    seen = 0
    for rule in rules():
        for name, matchers in _METRIC.findall(rule["expr"]):
            if not name.endswith(("_total", "_bucket")):
                continue
            seen += 1
            of_metric = [sample for sample in samples if sample.name == name]
            assert {sample.value for sample in of_metric} == {0}, name
            for label, operator, text in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', matchers):
                found = {sample.labels[label] for sample in of_metric}
                if operator in ("=", "=~"):
                    assert set(text.split("|")) <= found, (rule["alert"], label)
                else:
                    assert (label, text) == ("status", "[0-3]")
                    assert found >= {str(status.value) for status in BindingStatus}
            with_mag = {sample.labels["mag"] for sample in of_metric if "mag" in sample.labels}
            assert with_mag in (set(), mags), name
    assert seen >= 9


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian's prometheus) is not installed"
)


@needs_promtool
def test_promtool_has_nothing_to_say() -> None:
    subprocess.run(["promtool", "check", "config", str(ALERTS.with_name("prometheus.yml"))], check=True, timeout=30)


@needs_promtool
def test_alerts_fire_when_they_should() -> None:
    subprocess.run(["promtool", "test", "rules", str(Path(__file__).with_name("alert_cases.yml"))], check=True, timeout=60)


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    cases = Path(__file__).with_name("alert_cases.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'alertname="(\w+)"', cases)) == {rule["alert"] for rule in rules()}
