# SPDX-License-Identifier: Apache-2.0
"""docs/reference/cli.md from the commands themselves: `make docs` writes it, a test holds it to them.

    python -m tools.cli_reference >docs/reference/cli.md
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator

import click

from apps.settings import argument_parser as controller_parser
from cli.__main__ import castover
from southbound.agent.settings import argument_parser as agent_parser

_HEAD = """\
# Commands

Written by `make docs` from what `--help` says; a test holds it to that.

`castover` is the script in the root of the repository: `./castover` from there, or any path to it. Commands that build
or enter a lab need root. Where they take a topology file, it is `topology.yaml` of the working directory unless
`--topology` says otherwise.

| Environment variable | |
|---|---|
| `CASTOVER_URL` | where the REST API is, for [client](client.md) and [examples](../../examples/README.md) |
| `CASTOVER_TOKEN` | token of a REST API that asks for one |
| `CASTOVER_CA_FILE` | certificates that an HTTPS API is held against |
| `CASTOVER_REST_FD` | of the controller: number of a listening socket that it has inherited |
"""


def reference() -> str:
    """The whole page."""
    parts = [_HEAD, *_commands(castover, ("castover",))]
    parts.append("## The two programs\n\nWhat a lab starts by itself, and a real domain starts on its nodes.\n")
    parts += [_program(controller_parser()), _program(agent_parser())]
    return "\n".join(parts)


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _commands(command.commands[name], (*path, name))
        return
    context = click.Context(command, info_name=path[-1])
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"## `{' '.join(path)}`\n\n```text\n{' '.join(path)} {pieces}\n```\n"
    yield _prose(command.help or "")
    records = (option.get_help_record(context) for option in command.params)
    rows = [_row(*record) for record in records if record is not None and record[1]]
    if rows:
        yield "| Option | |\n|---|---|\n" + "\n".join(rows) + "\n"


def _prose(text: str) -> str:
    """Click's help as Markdown: paragraphs, those marked with a backspace line by line, examples as code."""
    paragraphs = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            paragraphs.append("<br>\n".join(_escaped(line.strip()) for line in paragraph[2:].split("\n")))
        elif re.match(r"castover \S", paragraph):
            paragraphs.append(f"```text\n{paragraph}\n```")
        else:
            paragraphs.append(_escaped(paragraph))
    return "\n\n".join(paragraphs) + "\n"


def _program(parser: argparse.ArgumentParser) -> str:
    rows = []
    for action in parser._actions:
        if action.dest == "help":
            continue
        value = "{" + ",".join(action.choices) + "}" if action.choices else (action.metavar or action.dest.upper())
        names = ", ".join(action.option_strings)
        said = (action.help or "").replace("%(default)s", str(action.default))
        rows.append(_row(f"{names} {value}", said + ("  [required]" if action.required else "")))
    return f"### `{parser.prog}`\n\n{parser.description}\n\n| Option | |\n|---|---|\n" + "\n".join(rows) + "\n"


def _row(names: str, meaning: str) -> str:
    code = names.replace("|", "\\|")
    # Bounds as click says them: 1<=x<=1000, 0<x<=86400.
    words = re.sub(r"([\d.]+)<=x<=([\d.]+)", r"\1 to \2", meaning).replace("  [", " [")
    words = re.sub(r"0<x<=([\d.]+)", r"more than 0, at most \1", words)
    return f"| `{code}` | {_escaped(words)} |"


def _escaped(text: str) -> str:
    return re.sub(r"([|<>*_])", r"\\\1", text)


if __name__ == "__main__":
    sys.stdout.write(reference())
