# SPDX-License-Identifier: Apache-2.0
"""Whatever is in the file, there is a domain or a TopologyError whose problems are whole lines."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from topology.load import load_topology, parse_topology
from topology.model import Domain
from topology.problem import TopologyError

DEFAULT_FILE = Path(__file__).resolve().parents[3] / "topology.yaml"
DOCUMENTATION = DEFAULT_FILE.parent / "docs" / "reference" / "topology.md"
DEFAULT_TEXT = DEFAULT_FILE.read_text(encoding="utf-8")
EXAMPLE = yaml.safe_load(DOCUMENTATION.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0])
ONE_LINE = re.compile(r"[^\n]+?(:[0-9]+)?( [^\n]+)?: found [^\n]+; allowed: [^\n]+")

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["mag1", "lma", "draft", "ff1e::1", "ff3e::1", "2001:db8::1", "::/0", "a@b.c", "::1%1"]),
    st.just("1" * 5000),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def outcome(text: str) -> Domain | TopologyError:
    try:
        return parse_topology(text, "topology.yaml")
    except TopologyError as error:
        check(error, text)
        return error


def check(error: TopologyError, text: str) -> None:
    assert error.problems
    lines = str(error).split("\n")
    assert len(lines) == len(error.problems)
    assert all(ONE_LINE.fullmatch(line) for line in lines)
    last = len(re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text))
    assert all(1 <= problem.line <= last for problem in error.problems)
    assert [problem.line for problem in error.problems] == sorted(problem.line for problem in error.problems)


def places(value: Any, location: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [location]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*location, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += places(inner, (*location, index))
    return found


PLACES = places(EXAMPLE)[1:]


def container(document: Any, place: tuple[Any, ...]) -> Any:
    for step in place[:-1]:
        document = document[step]
    return document


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    assert isinstance(outcome(text), TopologyError)


@settings(deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@#?,~ \n\t\\0x.", max_size=60))
def test_any_text_of_yaml_signs(text: str) -> None:
    assert isinstance(outcome(text), TopologyError)


@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_any_octets(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "octets.yaml"
    file.write_bytes(content)
    with pytest.raises(TopologyError):
        load_topology(file)


@settings(deadline=None)
@given(st.integers(0, len(DEFAULT_TEXT)), st.integers(0, 12), st.text(max_size=6))
def test_the_default_file_with_some_characters_replaced(start: int, length: int, new: str) -> None:
    outcome(DEFAULT_TEXT[:start] + new + DEFAULT_TEXT[start + length :])


@settings(deadline=None)
@given(VALUES)
def test_any_yaml_document(document: Any) -> None:
    assert isinstance(outcome(yaml.safe_dump(document, allow_unicode=True)), TopologyError)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=4))
def test_the_example_with_any_values_replaced(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    document = copy.deepcopy(EXAMPLE)
    for place, value in changes:
        try:
            container(document, place)[place[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    outcome(yaml.safe_dump(document, sort_keys=False))


@settings(deadline=None)
@given(st.sampled_from(PLACES), st.sampled_from(PLACES))
def test_the_example_with_any_value_moved_to_another_place(source: tuple[Any, ...], target: tuple[Any, ...]) -> None:
    document = copy.deepcopy(EXAMPLE)
    value = copy.deepcopy(container(EXAMPLE, source)[source[-1]])
    container(document, target)[target[-1]] = value
    outcome(yaml.dump(document, Dumper=_NoAliases, sort_keys=False))


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_the_example_without_any_one_value(place: tuple[Any, ...]) -> None:
    document = copy.deepcopy(EXAMPLE)
    del container(document, place)[place[-1]]
    outcome(yaml.safe_dump(document, sort_keys=False))


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
