# SPDX-License-Identifier: Apache-2.0
"""What a switch is asked in several requests and answers in many parts (OpenFlow 1.5 multipart messages)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class MultipartReading:
    """Has its xids before `ask` sends the requests, so that no answer comes to a reading that does not know it."""

    def __init__(self, datapath: Any, requests: Sequence[Any]) -> None:
        self._datapath, self._requests = datapath, requests
        for request in requests:
            datapath.set_xid(request)
        self._waiting = {request.xid for request in requests}
        self._parts: dict[str, list[Any]] = {}

    def ask(self) -> None:
        """Send the requests."""
        for request in self._requests:
            self._datapath.send_msg(request)

    def take(self, kind: str, message: Any) -> bool:
        """Whether this is a part of the answer."""
        if message.xid not in self._waiting:
            return False
        self._parts.setdefault(kind, []).extend(message.body)
        if not message.flags & message.datapath.ofproto.OFPMPF_REPLY_MORE:
            self._waiting.discard(message.xid)
        return True

    @property
    def complete(self) -> bool:
        """Whether every request has its answer."""
        return not self._waiting

    def of(self, kind: str) -> list[Any]:
        """What the parts of this kind have brought."""
        return self._parts.get(kind, [])
