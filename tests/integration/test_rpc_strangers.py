# SPDX-License-Identifier: Apache-2.0
"""The controller's agent server against raw sockets: who does not say hello, says junk, or does not read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest

from tests.support.rpc_server import WAIT_S, RpcServer


@pytest.fixture
def server() -> Iterator[RpcServer]:
    with RpcServer() as started:
        yield started


class Raw:
    """A peer that sends what it likes."""

    def __init__(self, server: RpcServer) -> None:
        self.socket = socket.create_connection(("::1", server.port), timeout=WAIT_S)
        self.unpacker = msgpack.Unpacker()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *message: object) -> None:
        self.socket.sendall(msgpack.packb(list(message)))

    def hello(self, mag_id: str = "mag1", msgid: int = 0) -> Any:
        self.send(0, msgid, "agent.hello", [{"mag_id": mag_id, "version": "0", "process_id": 1}])
        return self.receive()

    def receive(self) -> Any:
        while True:
            for message in self.unpacker:
                return message
            data = self.socket.recv(65536)
            if not data:
                return None
            self.unpacker.feed(data)


def test_unknown_mag_is_refused_and_closed(server: RpcServer) -> None:
    with Raw(server) as raw:
        error = {"code": "refused", "message": "no MAG 'mag9' in this domain", "field": "mag_id"}
        assert raw.hello("mag9") == [1, 0, error, None]
        assert raw.receive() is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ((0, 5, "mobile_node.detached", [{"mn_id": "m"}]), "refused"),
        ((0, 5, "agent.hello", [{"mag_id": 7}]), "bad_params"),
        ((0, 5, "nonsense", [{}]), "unknown_method"),
        ((2, "mobile_node.detached", [{"mn_id": "m"}]), None),
        ((1, 5, None, None), None),
        (("GET / HTTP/1.1",), None),
    ],
)
def test_the_first_message_must_be_hello(message: tuple[object, ...], code: str | None) -> None:
    with RpcServer(hello_timeout_s=0.3) as server, Raw(server) as raw:
        raw.send(*message)
        answer = raw.receive()
        assert (answer[2]["code"] if answer else None) == code
        assert raw.receive() is None


def test_silence_is_closed() -> None:
    with RpcServer(hello_timeout_s=0.1) as server, Raw(server) as silent, Raw(server) as good:
        assert good.hello() == [1, 0, None, None]
        assert silent.receive() is None
        good.send(0, 1, "mobile_node.attached", [{"mn_id": "m", "access_port": "p"}])
        assert good.receive() == [1, 1, None, None]


def test_a_second_hello_is_refused(server: RpcServer) -> None:
    with Raw(server) as raw:
        raw.hello()
        assert raw.hello(msgid=1)[2]["code"] == "refused"


def test_a_newer_connection_replaces_the_older(server: RpcServer) -> None:
    with Raw(server) as older, Raw(server) as newer, Raw(server) as other:
        older.hello()
        other.hello("mag2")
        # The same id on the wire on both connections: the answer to the older one must not reach the newer.
        wire = {"handover_id": "h", "mn_id": "m", "previous_mag": "mag2", "memberships": []}
        older.send(0, 77, "handover.prepare", [wire])
        stale = server.wait_for("AgentRequest")["msgid"]
        assert newer.hello() == [1, 0, None, None]
        assert older.receive()[2:] == ["handover.cancel", [{"handover_id": "hang", "mn_id": "m"}]]
        assert older.receive() is None
        newer.send(0, 77, "handover.prepare", [wire])
        newer.send(0, 78, "mobile_node.detached", [{"mn_id": str(stale)}])
        answers = [newer.receive(), newer.receive()]
        assert [1, 78, None, {"stale_answer_sent": False}] in answers
        assert not any(answer[:2] == [1, 77] for answer in answers)
        other.send(0, 1, "mobile_node.attached", [{"mn_id": "m", "access_port": "p"}])
        assert other.receive() == [1, 1, None, None]
    events = [server.next() for _ in range(3)]
    assert [event["event"] for event in events] == ["AgentResponse", "AgentDisconnected", "AgentConnected"]
    assert events[1]["detail"] == "replaced by a newer connection"


def test_junk_after_hello_ends_only_that_connection(server: RpcServer) -> None:
    with Raw(server) as raw, Raw(server) as other:
        raw.hello()
        other.hello("mag2")
        raw.socket.sendall(b"\xc1\xff\x00" * 1000)
        assert server.wait_for("AgentDisconnected")["detail"] == "protocol broken: not_msgpack"
        other.send(0, 1, "mobile_node.attached", [{"mn_id": "m", "access_port": "p"}])
        assert other.receive() == [1, 1, None, None]


def test_an_agent_that_does_not_read_is_cut_off_and_others_are_served(server: RpcServer) -> None:
    wire = {"handover_id": "h", "mn_id": "m", "outcome": "completed", "reason": "big"}
    with Raw(server) as deaf, Raw(server) as other:
        deaf.hello()
        other.hello("mag2")
        for msgid in range(1, 30):
            deaf.send(0, msgid, "handover.release", [wire])
        assert server.wait_for("AgentDisconnected")["detail"] == "the agent does not read"
        other.send(0, 1, "mobile_node.attached", [{"mn_id": "m", "access_port": "p"}])
        assert other.receive() == [1, 1, None, None]


def test_a_slow_reader_gets_everything_in_order(server: RpcServer) -> None:
    wire = {"handover_id": "h", "mn_id": "m", "outcome": "completed", "reason": "big"}
    with Raw(server) as raw:
        raw.hello()
        for msgid in range(1, 40):
            raw.send(0, msgid, "handover.release", [wire])
            raw.send(0, 100 + msgid, "mobile_node.attached", [{"mn_id": "m", "access_port": "p"}])
            assert [raw.receive()[1], raw.receive()[1]] == [msgid, 100 + msgid]
