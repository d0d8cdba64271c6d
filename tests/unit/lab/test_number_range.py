# SPDX-License-Identifier: Apache-2.0
"""Numbers on the command line: what is none is refused, by every option of every command."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from bench.options import NumberList
from cli.__main__ import castover
from lab.number_range import NumberRange
from tests.support.castover_command import run

NO_NUMBERS = ("nan", "-nan", "inf", "-inf", "Infinity", "1e999")
NOT_FINITE_TYPES = (click.types.FloatParamType, NumberList)


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")


NUMERIC = [
    pytest.param(parameter, id=f"{path} {parameter.opts[0]}")
    for path, command in commands(castover, "castover")
    for parameter in command.params
    if isinstance(parameter.type, NOT_FINITE_TYPES)
]


def test_the_options_are_found() -> None:
    found = {str(case.id) for case in NUMERIC}
    assert len(found) >= 10
    assert {
        "castover bench handover --rate-pps", "castover bench handover --deaf-cap-s", "castover bench handover --gap-ms",
        "castover bench control-plane --rate-pps", "castover demo --rate-pps", "castover demo --gap-ms",
        "castover view --rate-pps", "castover lab radio --gap-ms", "castover lab move --gap-ms",
        "castover handover --timeout",
    } <= found


@pytest.mark.parametrize("parameter", NUMERIC)
def test_no_option_takes_what_is_no_number(parameter: click.Parameter) -> None:
    for value in NO_NUMBERS:
        with pytest.raises(click.BadParameter):
            parameter.type_cast_value(click.Context(castover), value)


def test_the_range_is_named_and_good_numbers_pass() -> None:
    kind = NumberRange(0, 3000)
    assert [kind.convert(value, None, None) for value in ("2.5", "0", "3e3")] == [2.5, 0, 3000]
    for value in ("nan", "3001"):
        with pytest.raises(click.BadParameter, match=r"is not in the range 0<=x<=3000\."):
            kind.convert(value, None, None)
    with pytest.raises(click.BadParameter, match="not in the range"):
        NumberRange(min=0).convert("inf", None, None)


def test_a_command_says_so_before_it_does_anything() -> None:
    said = run("lab", "move", "mn1", "mag2", "--gap-ms", "nan")
    assert said.exit_code == 2
    assert "Invalid value for '--gap-ms': 'nan' is not in the range 0<=x<=3600000." in " ".join(
        said.output.replace("│", " ").split()
    )
