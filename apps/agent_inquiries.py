# SPDX-License-Identifier: Apache-2.0
"""Questions to agents that change nothing and that the core need not hear of: asked by REST, answered to whoever waits."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from eventlet.event import Event as Reply

from apps.agent_events import AgentResponse

AskAgent = Callable[[str, Any, Hashable, float], None]
"""`apps.agent_server.AgentServer.call`: (MAG id, call, token, timeout in seconds), one AgentResponse for each."""


class _Inquiry:
    """The token of one question."""

    def __init__(self) -> None:
        self.reply = Reply()


class AgentInquiries:
    """`answered` is offered every AgentResponse and says whether it was one of ours."""

    def __init__(self, ask_agent: AskAgent) -> None:
        self._ask_agent = ask_agent

    def ask(self, mag_ids: Iterable[str], call: Any, timeout_s: float) -> dict[str, AgentResponse]:
        """Ask these agents at the same time; their answers by MAG id. Blocks the calling green thread only."""
        asked: dict[str, _Inquiry] = {}
        for mag_id in mag_ids:
            asked[mag_id] = _Inquiry()
            self._ask_agent(mag_id, call, asked[mag_id], timeout_s)
        return {mag_id: inquiry.reply.wait() for mag_id, inquiry in asked.items()}

    @staticmethod
    def answered(response: AgentResponse) -> bool:
        """Hand an answer to who waits for it; False when it is the core's."""
        if not isinstance(response.token, _Inquiry):
            return False
        response.token.reply.send(response)
        return True
