# SPDX-License-Identifier: Apache-2.0
"""Which REST API a command is for: that of the running lab, or the one that was named."""

from __future__ import annotations

from pathlib import Path

import click

from lab.command_line import load_domain
from lab.errors import LabError
from lab.state import load_state
from lab.typed import typed
from topology.model import Domain


def running_api(domain: Domain) -> str:
    """Its URL. Raises LabError that says where the API of this domain would be found."""
    state = load_state(domain.name)
    if state is None or not state.rest_url:
        mend = f"{typed('lab', 'up')}, or name the API: --rest {configured_url(domain)}"
        raise LabError(f"lab {domain.name!r} has no controller running", mend)
    return state.rest_url


def domain_of(topology: Path) -> Domain:
    """As `load_domain`, for commands that need no topology when they are told where the API is."""
    if not topology.exists():
        raise click.ClickException(f"{topology} does not exist; name the file with --topology FILE, or the API: --rest URL")
    return load_domain(topology)


def configured_url(domain: Domain) -> str:
    """Where the topology puts the API; a host that listens everywhere is reached at the controller's address."""
    host, scheme = domain.controller.rest_host, "http" if domain.rest.tls is None else "https"
    if host in ("::", "0.0.0.0"):
        host = str(domain.controller.address)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{domain.controller.rest_port}"
