# SPDX-License-Identifier: Apache-2.0
"""docs/reference/cli.md is what the commands say of themselves."""

from __future__ import annotations

import click
from click.testing import CliRunner

from cli.__main__ import castover
from tests.support.documents import REPOSITORY
from tools.cli_reference import reference

PAGE = REPOSITORY / "docs" / "reference" / "cli.md"


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "a command has changed: make docs"


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        return [leaf for name in command.commands for leaf in leaves(command.commands[name], (*path, name))]
    return [(path, command)]


def test_every_command_and_option_of_help_is_there() -> None:
    page = PAGE.read_text(encoding="utf-8").replace("\\", "")
    for path, _ in leaves(castover):
        said = CliRunner().invoke(castover, [*path, "--help"])
        assert said.exit_code == 0, path
        section = page.split(f"\n## `castover {' '.join(path)}`\n")[1].split("\n## ")[0]
        for line in said.output.splitlines():
            if line.startswith("  --") and "--help" not in line:
                assert f"| `{line.split()[0].strip(',')}" in section, (path, line)
