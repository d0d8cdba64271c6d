# SPDX-License-Identifier: Apache-2.0
"""The agent's real asyncio client against the controller's real eventlet server, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv6Address
from typing import Any

import pytest

from southbound.agent.adapters.rpc_client import RpcClient, RpcError
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.rpc.methods import (
    CancelHandover,
    CloneGroups,
    DeliverDirectly,
    Hello,
    MembershipReported,
    MobileNodeAttached,
    PrepareForwarding,
    ReleaseForwarding,
    StartHandover,
    StepReached,
)
from tests.support.rpc_server import WAIT_S, RpcServer

HELLO = Hello(mag_id="mag1", version="0.1.0", process_id=os.getpid())
MEMBERSHIPS = (GroupMembership(group=IPv6Address("ff1e::101"), filter_mode=FilterMode.EXCLUDE),)
CLONE = CloneGroups(handover_id="h1", mn_id="mn1@example.net", new_mag="mag9", memberships=MEMBERSHIPS)
PREPARE = PrepareForwarding(handover_id="h1", mn_id="mn1@example.net", previous_mag="mag2", memberships=MEMBERSHIPS)
REPORTED = MembershipReported(mn_id="mn1@example.net", memberships=MEMBERSHIPS)
ATTACHED = MobileNodeAttached(mn_id="mn1@example.net", access_port="mn1")


def release(reason: str) -> ReleaseForwarding:
    return ReleaseForwarding(handover_id="h1", mn_id="mn1@example.net", outcome="completed", reason=reason)


@pytest.fixture
def server() -> Iterator[RpcServer]:
    with RpcServer() as started:
        yield started


class Agent:
    """An RpcClient and what its callbacks have seen."""

    def __init__(self, port: int, on_request: Callable[[Any], Awaitable[Any]] | None = None) -> None:
        self.log: list[str] = []
        self.client = RpcClient(
            host="::1",
            port=port,
            hello=HELLO,
            on_request=on_request or self._on_request,
            on_connected=lambda: self.log.append("connected"),
            on_disconnected=lambda reason: self.log.append(f"disconnected: {reason}"),
        )

    async def _on_request(self, call: Any) -> Any:
        match call:
            case StartHandover():
                return {"started": call.handover_id}
            case CancelHandover(handover_id="hang"):
                await asyncio.Event().wait()
        raise RpcError("refused", "not in this test", "handover_id")

    async def __aenter__(self) -> Agent:
        self.client.start()
        async with asyncio.timeout(WAIT_S):
            await self.client.wait_connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await asyncio.sleep(0.005)


async def failure_of(calling: Awaitable[Any]) -> RpcError:
    with pytest.raises(RpcError) as caught:
        await calling
    return caught.value


# --- calls ---------------------------------------------------------------------------------------------------------


def test_calls_both_ways(server: RpcServer) -> None:
    async def scenario() -> None:
        async with Agent(server.port) as agent:
            assert await agent.client.call(ATTACHED) is None
            refusal = await failure_of(agent.client.call(CLONE))
            assert (refusal.code, refusal.message, refusal.field) == ("refused", "no such MAG", "new_mag")
            outcome = await agent.client.call(REPORTED)
            assert outcome == {"result": {"started": "h1"}, "error": None}
            assert agent.client.notify(
                StepReached(handover_id="h1", mn_id="m", step=2, name="HI sent", at=time.time())
            )
            assert agent.log == ["connected"]

    asyncio.run(scenario())
    assert server.next() == {"event": "AgentConnected", "mag_id": "mag1", "version": "0.1.0"}
    assert server.wait_for("AgentNotification")["detail"] == "handover.step"
    assert server.wait_for("AgentDisconnected")["detail"] == "closed by the agent"


def test_the_agents_refusal_and_its_faults_reach_the_controller(server: RpcServer) -> None:
    async def scenario() -> list[Any]:
        outcomes = []
        for raised in (RpcError("refused", "busy", "mn_id"), ZeroDivisionError("ours")):

            async def on_request(_: Any, raised: Exception = raised) -> Any:
                raise raised

            faults: list[Any] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context, faults=faults: faults.append(context))
            async with Agent(server.port, on_request) as agent:
                outcomes.append((await agent.client.call(REPORTED))["error"])
            assert [fault["exception"] for fault in faults] == [raised] * isinstance(raised, ZeroDivisionError)
        return outcomes

    assert asyncio.run(scenario()) == [
        {"code": "refused", "message": "busy", "field": "mn_id"},
        {"code": "internal", "message": "a fault inside the agent; its log says where", "field": None},
    ]


def test_unsendable_results_become_internal_errors(server: RpcServer) -> None:
    async def scenario() -> None:
        async def on_request(_: Any) -> Any:
            return object()

        async with Agent(server.port, on_request) as agent:
            assert (await failure_of(agent.client.call(release("unsendable")))).code == "internal"
            assert (await agent.client.call(REPORTED))["error"]["code"] == "internal"

    asyncio.run(scenario())


def test_timeouts_on_both_ends(server: RpcServer) -> None:
    async def scenario() -> None:
        async with Agent(server.port) as agent:
            assert (await failure_of(agent.client.call(PREPARE, timeout_s=0.05))).code == "timeout"
            outcome = await agent.client.call(DeliverDirectly(handover_id="h", mn_id="m"))
            assert outcome["error"]["code"] == "timeout"
            assert await agent.client.call(ATTACHED) is None

    asyncio.run(scenario())


def test_a_cancelled_caller_disturbs_nobody(server: RpcServer) -> None:
    async def scenario() -> None:
        async with Agent(server.port) as agent:
            task = asyncio.create_task(agent.client.call(ATTACHED))
            await asyncio.sleep(0)
            task.cancel()
            assert await agent.client.call(ATTACHED) is None
            assert task.cancelled()

    asyncio.run(scenario())


def test_calling_an_agent_that_is_away(server: RpcServer) -> None:
    async def scenario() -> None:
        async with Agent(server.port) as agent:
            await agent.client.call(release("absent"))

    asyncio.run(scenario())
    server.wait_for("called")
    event = server.wait_for("AgentResponse")
    assert (event["mag_id"], event["token"], event["error"]["code"]) == ("mag9", "absent", "unavailable")


def test_many_calls_at_once(server: RpcServer) -> None:
    async def scenario() -> None:
        async with Agent(server.port) as agent:
            calls = [agent.client.call(ATTACHED) for _ in range(400)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            failed = [outcome for outcome in outcomes if outcome is not None]
            assert len(failed) == 400 - 256
            assert {failure.code for failure in failed if isinstance(failure, RpcError)} == {"unavailable"}

    asyncio.run(scenario())


def test_call_latency(server: RpcServer, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> list[float]:
        async with Agent(server.port) as agent:
            times = []
            for _ in range(2_000):
                began = time.perf_counter()
                await agent.client.call(ATTACHED)
                times.append(time.perf_counter() - began)
            return times

    times = asyncio.run(scenario())
    p99 = statistics.quantiles(times, n=100)[98]
    with capsys.disabled():
        print(f"\nRPC call on loopback: p50 {statistics.median(times) * 1e3:.3f} ms, p99 {p99 * 1e3:.3f} ms")


# --- connections that end ------------------------------------------------------------------------------------------


def test_reconnects_after_the_controller_was_killed(server: RpcServer) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with Agent(server.port) as agent:
            waiting = asyncio.create_task(agent.client.call(PREPARE))
            await loop.run_in_executor(None, server.wait_for, "AgentRequest")
            await loop.run_in_executor(None, server.kill)
            lost = await failure_of(waiting)
            assert lost.code == "unavailable"
            assert not agent.client.connected
            assert (await failure_of(agent.client.call(ATTACHED))).code == "unavailable"
            assert not agent.client.notify(REPORTED)
            assert agent.client.discarded()["notification_without_connection"] == 1
            again = await loop.run_in_executor(None, lambda: RpcServer(port=server.port))
            try:
                await agent.until(lambda: agent.client.connected)
                assert again.next()["event"] == "AgentConnected"
                assert await agent.client.call(ATTACHED) is None
                assert [entry.split(":")[0] for entry in agent.log] == ["connected", "disconnected", "connected"]
            finally:
                await loop.run_in_executor(None, again.kill)

    asyncio.run(scenario())


def test_orderly_stop_of_the_controller(server: RpcServer) -> None:
    async def scenario() -> None:
        async with Agent(server.port) as agent:
            assert (await failure_of(agent.client.call(release("stop")))).code == "unavailable"
            assert agent.log[-1].startswith("disconnected: closed by the controller")

    asyncio.run(scenario())
    assert server.wait_for("AgentDisconnected")["detail"] == "the controller stops"
    assert server.wait_for("stopped")["discarded"] == {}


def test_open_calls_of_the_controller_end_before_the_disconnect(server: RpcServer) -> None:
    async def scenario() -> None:
        async with Agent(server.port) as agent:
            waiting = asyncio.create_task(agent.client.call(PREPARE))
            await asyncio.get_running_loop().run_in_executor(None, server.wait_for, "AgentRequest")
            await agent.client.close()
            assert (await failure_of(waiting)).code == "unavailable"
            assert agent.log == ["connected", "disconnected: closed"]

    asyncio.run(scenario())
    event = server.next()
    assert (event["event"], event["token"], event["error"]["code"]) == ("AgentResponse", "open", "unavailable")
    assert server.next()["event"] == "AgentDisconnected"


def test_a_handler_ends_with_its_connection(server: RpcServer) -> None:
    async def scenario() -> None:
        began, cancelled = asyncio.Event(), asyncio.Event()

        async def on_request(_: Any) -> Any:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        async with Agent(server.port, on_request) as agent:
            waiting = asyncio.create_task(agent.client.call(REPORTED))
            async with asyncio.timeout(WAIT_S):
                await began.wait()
                server.process.kill()
                await cancelled.wait()
            assert (await failure_of(waiting)).code == "unavailable"

    asyncio.run(scenario())


def test_a_hanging_controller_is_noticed_by_the_call(server: RpcServer) -> None:
    async def scenario() -> None:
        async with Agent(server.port) as agent:
            server.process.send_signal(signal.SIGSTOP)
            assert (await failure_of(agent.client.call(ATTACHED, timeout_s=0.1))).code == "timeout"
            server.process.send_signal(signal.SIGCONT)
            assert await agent.client.call(ATTACHED) is None  # the late answer was discarded

    asyncio.run(scenario())


def test_a_refused_hello_is_tried_again_with_growing_pauses(server: RpcServer) -> None:
    async def scenario() -> Agent:
        agent = Agent(server.port)
        agent.client._hello = Hello(mag_id="mag7", version="0", process_id=1)
        agent.client.start()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await agent.client.wait_connected()
        await agent.client.close()
        return agent

    assert asyncio.run(scenario()).log == []
