# SPDX-License-Identifier: Apache-2.0
"""An OpenFlow 1.5 connection for tests: Ryu's messages over a plain socket, without eventlet or a controller.

Open vSwitch listens on `<run dir>/<bridge>.mgmt` for management connections, which speak the same protocol as a
controller's.
"""

from __future__ import annotations

import socket
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

from southbound.openflow.ofp15 import batch_messages
from southbound.openflow.reconciler import Batch
from southbound.openflow.rules import SwitchRules

with warnings.catch_warnings():
    # Ryu 4.34 uses distutils while it is imported, which Python 3.11 warns of.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ryu.ofproto import ofproto_parser
    from ryu.ofproto import ofproto_v1_5 as ofproto
    from ryu.ofproto import ofproto_v1_5_parser as parser
    from ryu.ofproto.ofproto_protocol import ProtocolDesc

    from southbound.openflow.ofp15_stats import error_text, port_numbers, state_requests, switch_rules


class FakeDatapath(ProtocolDesc):  # type: ignore[misc]
    """What the encoder needs of a Ryu Datapath."""

    def __init__(self) -> None:
        super().__init__(version=ofproto.OFP_VERSION)
        self._xid = 100

    def set_xid(self, message: Any) -> int:
        """Give the message the next xid."""
        self._xid += 1
        message.set_xid(self._xid)
        return self._xid


class OpenFlowConnection:
    """One connection to one bridge."""

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        self.datapath = FakeDatapath()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        self._socket.connect(str(path))
        self.send(parser.OFPHello(self.datapath))
        hello = self.receive()
        if not isinstance(hello, parser.OFPHello):
            raise ConnectionError(f"expected a Hello, found {hello}")

    def __enter__(self) -> OpenFlowConnection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, message: Any) -> int:
        """Send one message, with an xid if it has none; returns its xid."""
        if message.xid is None:
            self.datapath.set_xid(message)
        message.serialize()
        self._socket.sendall(message.buf)
        return int(message.xid)

    def receive(self) -> Any:
        """The next message that is not an echo request."""
        while True:
            header = self._exactly(ofproto.OFP_HEADER_SIZE)
            version, kind, length, xid = ofproto_parser.header(header)
            data = header + self._exactly(length - len(header))
            if kind == ofproto.OFPT_HELLO:
                return parser.OFPHello.parser(self.datapath, ofproto.OFP_VERSION, kind, length, xid, data)
            message = ofproto_parser.msg(self.datapath, version, kind, length, xid, data)
            if not isinstance(message, parser.OFPEchoRequest):
                return message

    def apply(self, batch: Batch) -> str | None:
        """Send a batch; None when its barrier reply came without an error before it, else the first error."""
        encoded = batch_messages(batch, self.datapath)
        for message in encoded.messages:
            self.send(message)
        error = None
        while True:
            answer = self.receive()
            if isinstance(answer, parser.OFPErrorMsg) and answer.xid in encoded.xids:
                error = error or error_text(answer)
            if isinstance(answer, parser.OFPBarrierReply) and answer.xid == encoded.barrier_xid:
                return error

    def state(self) -> tuple[dict[str, int], SwitchRules]:
        """Ports, and rules of ours."""
        ports, flows, groups = (self._multipart(request) for request in state_requests(self.datapath))
        numbers = port_numbers(ports)
        return numbers, switch_rules(flows, groups, numbers)

    def _multipart(self, request: Any) -> list[Any]:
        xid, body, more = self.send(request), [], True
        while more:
            reply = self.receive()
            if reply.xid == xid:
                body += reply.body
                more = bool(reply.flags & ofproto.OFPMPF_REPLY_MORE)
        return body

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self._socket.recv(length - len(data))
            if not part:
                raise ConnectionError("the switch has closed the connection")
            data += part
        return data
