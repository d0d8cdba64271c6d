# SPDX-License-Identifier: Apache-2.0
"""docs/reference/topology.md names every key with its default and bounds, and its example is a domain."""

from __future__ import annotations

import dataclasses
import re
import typing
from pathlib import Path
from typing import Any

import pytest

from topology import crosscheck, derive, rest_schema, schema, settings_schema
from topology.load import parse_topology
from topology.rule import Rule
from topology.section import Section
from topology.settings import Limits, Timers

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "topology.md").read_text(encoding="utf-8")
ROW = re.compile(r"(?m)^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$")
SECTIONS = {
    "Top level": schema.Document,
    "`domain`": schema.DomainSection,
    "`controller`": schema.ControllerSection,
    "`lma`": schema.LmaSection,
    "`mags`": schema.MagSection,
    "`switch`": schema.MagSwitchSection,
    "`mobile_nodes`": schema.MobileNodeSection,
    "`sources`": schema.SourceSection,
    "`links`": schema.LinkSection,
    "`timers`": settings_schema.TimersSection,
    "`limits`": settings_schema.LimitsSection,
    "`rest`": rest_schema.RestSection,
}
PARTS = {
    schema.MagSwitchSection: (schema.LmaSwitchSection, schema.AccessPortSection),
    schema.MobileNodeSection: (schema.SubscriptionSection,),
    rest_schema.RestSection: (rest_schema.TokenSection, rest_schema.TlsSection, rest_schema.WebhookSection),
}
"""Sections whose keys stand in the table of the section that holds them."""


def rows(heading: str) -> dict[str, tuple[str, str]]:
    """Default and meaning by key, from the table under a heading."""
    part = DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {key: (default, meaning) for key, _kind, default, meaning in ROW.findall(part)}


def mark(section: type[Section], key: str) -> Any:
    return next(mark for mark in section.model_fields[key].metadata if hasattr(mark, "required"))


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_has_its_row_and_every_row_its_key(heading: str) -> None:
    section = SECTIONS[heading]
    parts = PARTS.get(section, ())
    expected = set(section.model_fields).union(*(part.model_fields for part in parts))
    assert set(rows(heading)) == expected
    for key in section.model_fields:
        assert (rows(heading)[key][0] == "*required*") == mark(section, key).required, key
    for part in parts:
        for key in part.model_fields:
            assert (rows(heading)[key][0] == "*required*") == mark(part, key).required, key


@pytest.mark.parametrize(("heading", "model"), [("`timers`", Timers), ("`limits`", Limits)])
def test_the_rows_of_timers_and_limits_give_default_and_bounds(heading: str, model: Any) -> None:
    section = SECTIONS[heading]
    table = rows(heading)
    assert [field.name for field in dataclasses.fields(model)] == list(section.model_fields) == list(table)
    hints = typing.get_type_hints(model)
    for field in dataclasses.fields(model):
        default, meaning = table[field.name]
        assert default == f"`{field.default:g}`" or default == f"`{field.default}`", field.name
        rule = mark(section, field.name)
        bounds = re.fullmatch(r"a (whole )?number from (\S+) to ([^\s,]+)(?:, a multiple of (\d+))?", rule.allowed)
        assert bounds is not None
        assert (bounds[1] is not None) == (hints[field.name] is int), field.name
        assert f"{bounds[2]} to {bounds[3]}" in meaning, field.name
        assert isinstance(rule, Rule)
        assert rule.parse(field.default) == field.default, field.name


def test_the_other_defaults_are_the_ones_in_use() -> None:
    domain, lma = rows("`domain`"), rows("`lma`")
    assert domain["dialect"][0] == f"`{derive.DIALECT}`"
    assert domain["option_length_unit"][0] == f"`{derive.OPTION_LENGTH_UNIT}`"
    assert domain["lma_gre_key"][0] == f"`{derive.LMA_GRE_KEY}`"
    assert domain["mag_gre_key"][0] == f"`{derive.MAG_GRE_KEY}`"
    assert lma["datapath_id"][0] == f"`{derive.LMA_DATAPATH_ID:#x}`"
    assert lma["transport_datapath_id"][0] == f"`{derive.LMA_TRANSPORT_DATAPATH_ID:#x}`"
    assert rows("`mags`")["datapath_id"][0] == f"`{derive.MAG_DATAPATH_ID_BASE:#x}` + index"
    assert rows("`mobile_nodes`")["allowed_groups"][0] == ", ".join(f"`{network}`" for network in derive.ALLOWED_GROUPS)


def test_the_reserved_names_are_all_there() -> None:
    for name in (*crosscheck.RESERVED_NODE_NAMES, *crosscheck.RESERVED_PORT_NAMES):
        assert f"`{name}`" in DOCUMENT


def test_the_example_loads_and_shows_every_key() -> None:
    example = DOCUMENT.split("```yaml\n")[1].split("```")[0]
    domain = parse_topology(example, "docs/reference/topology.md")
    assert (domain.name, len(domain.mags), domain.timers.cut_wait_ms) == ("example", 2, 20)
    for heading, section in SECTIONS.items():
        if heading not in ("`timers`", "`limits`"):
            keys = [*section.model_fields, *(key for part in PARTS.get(section, ()) for key in part.model_fields)]
            for key in keys:
                assert re.search(rf"(?m)^[ -]*{key}:", example), key
