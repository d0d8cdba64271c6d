# SPDX-License-Identifier: Apache-2.0
"""Commands in hints, word for word as the reader has to type them."""

from __future__ import annotations

import os
import shlex

import click
from click.core import ParameterSource

COMMAND_VARIABLE = "CASTOVER_COMMAND"
"""Environment variable, set by the `castover` script: how it was called."""


def castover_command() -> str:
    """The command as it was called, './castover' for example; 'castover' when nobody said."""
    return os.environ.get(COMMAND_VARIABLE) or "castover"


def typed(*words: str, with_topology: bool = True) -> str:
    """A command line that calls castover with these words.

    `--topology FILE` is added when the running command was given one: without it the hint would be about another lab.
    """
    line = [castover_command(), *words]
    context = click.get_current_context(silent=True) if with_topology else None
    if context is not None and context.get_parameter_source("topology") is ParameterSource.COMMANDLINE:
        line += ["--topology", str(context.params["topology"])]
    return shlex.join(line)
