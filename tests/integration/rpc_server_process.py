# SPDX-License-Identifier: Apache-2.0
"""A controller with nothing behind its agent server: prints every event as a JSON line, and answers by method.

Run by tests/support/rpc_server.py: `python rpc_server_process.py PORT HELLO_TIMEOUT_S`. Accepts mag1 and mag2.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

import eventlet

from apps.agent_events import AgentConnected, AgentEvent, AgentRequest, AgentResponse
from apps.agent_server import AgentServer
from southbound.rpc.methods import (
    CancelHandover,
    CloneGroups,
    DeliverDirectly,
    FinishForwarding,
    MembershipReported,
    MobileNodeAttached,
    MobileNodeDetached,
    PrepareForwarding,
    ReleaseForwarding,
    StartHandover,
)


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


class Controller:
    def __init__(self, port: int, hello_timeout_s: float) -> None:
        self.server = AgentServer(
            host="::1",
            port=port,
            accepts=lambda mag_id: mag_id in {"mag1", "mag2"},
            on_event=self.on_event,
            hello_timeout_s=hello_timeout_s,
        )
        self.reporting: dict[int, str] = {}
        self.last_request: AgentRequest | None = None

    def on_event(self, event: AgentEvent) -> None:
        match event:
            case AgentRequest(mag_id=mag_id, msgid=msgid, call=call):
                self.on_request(mag_id, msgid, call)
                if not isinstance(call, MobileNodeAttached):  # the one whose speed is measured
                    say(event="AgentRequest", mag_id=mag_id, method=call.method, msgid=msgid)
            case AgentResponse(mag_id=mag_id, token=token, result=result, error=error):
                failure = None if error is None else dataclasses.asdict(error)
                say(event="AgentResponse", mag_id=mag_id, token=token, result=result, error=failure)
                if isinstance(token, int):
                    self.server.respond(mag_id, token, {"result": result, "error": failure})
            case AgentConnected():
                say(event="AgentConnected", mag_id=event.mag_id, version=event.hello.version)
            case _:
                detail = getattr(event, "reason", None) or event.call.method  # type: ignore[union-attr]
                say(event=type(event).__name__, mag_id=event.mag_id, detail=detail)

    def on_request(self, mag_id: str, msgid: int, call: Any) -> None:
        server = self.server
        match call:
            case MobileNodeAttached():
                server.respond(mag_id, msgid, None)
            case MobileNodeDetached():  # answer what another connection asked for, then this
                stale = server.respond(mag_id, int(call.mn_id), "stale")
                server.respond(mag_id, msgid, {"stale_answer_sent": stale})
            case CloneGroups():
                server.reject(mag_id, msgid, "refused", "no such MAG", "new_mag")
            case PrepareForwarding():  # never answered; a call that is open at the end of the connection
                server.call(mag_id, CancelHandover(handover_id="hang", mn_id="m"), "open", 60.0)
            case MembershipReported():
                server.call(mag_id, StartHandover(handover_id="h1", mn_id=call.mn_id, new_mag="mag2"), msgid, 5.0)
            case DeliverDirectly():  # the agent does not answer that one
                server.call(mag_id, CancelHandover(handover_id="hang", mn_id="m"), msgid, 0.2)
            case ReleaseForwarding(reason="absent"):
                server.call("mag9", FinishForwarding(handover_id="h", mn_id="m"), "absent", 5.0)
                say(event="called")
                server.respond(mag_id, msgid, None)
            case ReleaseForwarding(reason="unsendable"):
                server.respond(mag_id, msgid, object())
            case ReleaseForwarding(reason="big"):
                server.respond(mag_id, msgid, "x" * 1_000_000)
            case ReleaseForwarding(reason="stop"):
                server.stop()
                say(event="stopped", discarded=dict(server.discarded()))
            case _:
                server.reject(mag_id, msgid, "internal", "not part of the test")


def main() -> None:
    controller = Controller(int(sys.argv[1]), float(sys.argv[2]))
    controller.server.start()
    say(event="listening", port=controller.server.address[1])
    while True:
        eventlet.sleep(3600)


if __name__ == "__main__":
    main()
