# SPDX-License-Identifier: Apache-2.0
"""Who may use the REST API, and whom it tells of handovers."""

from __future__ import annotations

from dataclasses import dataclass

HANDOVER_EVENTS = (
    "handover_requested", "handover_step", "handover_forwarding", "handover_released", "handover_ended",
)
"""Names of the controller's events about one handover, in the order in which they come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A client of the REST API. Exactly one of `sha256` and `file` is given."""

    name: str
    role: str
    """'read', or 'trigger', which may do both."""
    sha256: bytes | None = None
    """Digest of the token."""
    file: str | None = None
    """File that holds the token; as written in topology.yaml, relative to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files for TLS on the REST API; as written in topology.yaml, relative to it."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Somebody who is told of handovers by HTTP POST."""

    name: str
    url: str
    secret_file: str
    """File with what messages are signed with; relative to topology.yaml."""
    events: tuple[str, ...] = HANDOVER_EVENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Who may use the REST API, and whom it tells of handovers."""

    insecure: bool = False
    """Others may reach it although it asks for no token."""
    tokens: tuple[Token, ...] = ()
    tls: Tls | None = None
    webhooks: tuple[Webhook, ...] = ()
