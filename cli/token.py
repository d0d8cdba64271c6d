# SPDX-License-Identifier: Apache-2.0
"""`castover token NAME`: a new token for the REST API, and the entry of topology.yaml that lets it in."""

from __future__ import annotations

import hashlib
import secrets

import click

from lab.command_line import said_plainly
from lab.errors import LabError
from topology.problem import show_value
from topology.rule import RefusedValueError
from topology.values import CLIENT_NAME

TOKEN_OCTETS = 32
"""Random ones; 43 characters of text."""


@click.command("token")
@click.argument("name")
@click.option(
    "--role", type=click.Choice(["read", "trigger"]), default="read", show_default=True,
    help="read: look at everything; trigger: also begin and cancel handovers.",
)
@said_plainly
def token(name: str, role: str) -> None:
    """Make a token for the client NAME of the REST API.

    Standard output is the entry for topology.yaml, with the token's SHA-256; the token itself goes to standard error,
    this once: Castover does not keep it.
    """
    try:
        CLIENT_NAME.parse(name)
    except RefusedValueError as error:
        raise LabError(f"NAME: found {show_value(name)}; allowed: {CLIENT_NAME.allowed}") from error
    made = secrets.token_urlsafe(TOKEN_OCTETS)
    click.echo(f"the token of {name}, shown only now: {made}", err=True)
    click.echo("rest:\n  tokens:")
    click.echo(f"    - name: {name}\n      role: {role}\n      sha256: \"{hashlib.sha256(made.encode()).hexdigest()}\"")
