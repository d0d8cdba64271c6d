# SPDX-License-Identifier: Apache-2.0
"""What `apps.agent_server.AgentServer` tells the controller about the MAG agents."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from southbound.rpc.errors import Failure
from southbound.rpc.methods import Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConnected:
    """An agent has said a hello that was accepted, and can be called now."""

    mag_id: str
    hello: Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDisconnected:
    """The connection has ended. Its open calls have failed (AgentResponse, before this); its requests are void."""

    mag_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRequest:
    """An agent calls; answer with AgentServer.respond or AgentServer.reject."""

    mag_id: str
    msgid: int
    """Unique over all agents and connections, so that a late answer can never reach a later connection's request."""
    call: Any
    """One of the dataclasses in southbound.rpc.methods.CONTROLLER_METHODS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentNotification:
    """An agent reports something and expects no answer."""

    mag_id: str
    call: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResponse:
    """The outcome of AgentServer.call, exactly one for each."""

    mag_id: str
    token: Hashable
    """The caller's own."""
    result: Any = None
    error: Failure | None = None
    """None on success; `timeout` and `unavailable` may mean that the agent has carried the call out all the same."""


AgentEvent = AgentConnected | AgentDisconnected | AgentRequest | AgentNotification | AgentResponse
