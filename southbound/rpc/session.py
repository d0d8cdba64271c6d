# SPDX-License-Identifier: Apache-2.0
"""One end of a msgpack-RPC connection, without its socket and clock: bytes in, events out, and the other way round.

Wire (msgpack-rpc specification): request [0, msgid, method, [params]], response [1, msgid, error, result],
notification [2, method, [params]]; params is the map of `southbound.rpc.methods`, error the map of
`southbound.rpc.errors`. Both ends may call. Whatever the peer sends, nothing here raises because of it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from southbound.rpc.errors import ErrorCode, FrameError, TooManyOutstandingError
from southbound.rpc.methods import RpcParameterError, decode_params, encode_params
from southbound.rpc.session_events import (
    DiscardReason,
    ErrorReceived,
    MessageRefused,
    NotificationReceived,
    ProtocolBroken,
    RequestReceived,
    ResponseReceived,
    SessionEvent,
    TimedOut,
)

_REQUEST, _RESPONSE, _NOTIFICATION = 0, 1, 2
_CHUNK_OCTETS = 64 * 1024
_BUFFER_OCTETS = 16 * 1024
"""What the unpacker begins with; it grows for a long frame. Its own choice is 1 MiB, through which it writes page by page
before it uses any of it again: a process that hears little would grow by every octet that it hears for days."""
_MESSAGE_ID_MAX = 0xFFFF_FFFF
_TEXT_MAX = 1024
_ERROR_CODES = tuple(code.value for code in ErrorCode)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Caps on what the peer, or we, can make grow."""

    frame_octets_max: int = 1024 * 1024
    """One message, either way; also all that is ever buffered of an incomplete one."""
    collection_items_max: int = 4096
    """Items of one array or map; msgpack allocates room for them before they come."""
    requests_in_max: int = 256
    """Requests of the peer that we have not answered."""
    requests_out_max: int = 256
    """Requests of ours that the peer has not answered."""
    memberships_max: int = 50
    """topology.settings.Limits.groups_per_mobile_node."""
    sources_max: int = 62
    """topology.settings.Limits.sources_per_group."""


DEFAULT_LIMITS = SessionLimits()


class _StreamError(Exception):
    """The peer's stream ends here. Does not leave this module."""

    def __init__(self, reason: DiscardReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Session:
    """The state of one connection. Times are seconds of one monotonic clock of the caller's choice.

    `accepts` says what the peer may call on us: CONTROLLER_METHODS at the controller, AGENT_METHODS at an agent.
    """

    def __init__(self, *, accepts: Mapping[str, type[Any]], limits: SessionLimits = DEFAULT_LIMITS) -> None:
        self._accepts = accepts
        self._limits = limits
        # The unpacker's own cap counts only what it has not begun to read, so the frame's length is counted here too.
        self._unpacker = msgpack.Unpacker(
            raw=False,
            strict_map_key=True,
            read_size=_BUFFER_OCTETS,
            max_buffer_size=limits.frame_octets_max + _CHUNK_OCTETS,
            max_array_len=limits.collection_items_max,
            max_map_len=limits.collection_items_max,
        )
        self._fed_octets = 0
        self._frame_start = 0
        self._requests_in: set[int] = set()
        self._requests_out: dict[int, float] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._last_message_id = 0
        self.discarded: Counter[DiscardReason] = Counter()
        """What the peer sent and we did not use, by reason."""
        self.broken: DiscardReason | None = None
        """Why the session has ended, or None."""
        self.last_heard: float | None = None
        """When the last octets came, or None."""

    # --- from the peer ---------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[SessionEvent]:
        """What these octets complete, in order. After ProtocolBroken everything further is discarded."""
        self.last_heard = now
        if self.broken is not None:
            self.discarded[DiscardReason.AFTER_THE_END] += 1
            return []
        events: list[SessionEvent] = []
        try:
            for frame in self._frames(data):
                event = self._event(frame)
                if event is not None:
                    events.append(event)
        except _StreamError as error:
            self.broken = error.reason
            self.discarded[error.reason] += 1
            events.append(ProtocolBroken(reason=error.reason))
        return events

    def _frames(self, data: bytes) -> Iterator[object]:
        longest = self._limits.frame_octets_max
        view = memoryview(data)
        for start in range(0, len(view), _CHUNK_OCTETS):
            chunk = view[start : start + _CHUNK_OCTETS]
            self._fed_octets += len(chunk)
            self._unpacker.feed(chunk)
            while True:
                try:
                    frame = self._unpacker.unpack()
                except msgpack.OutOfData:
                    break
                except (ValueError, msgpack.UnpackException) as error:
                    # Bad UTF-8 and over-long collections included: the unpacker cannot find the next frame after them.
                    raise _StreamError(DiscardReason.NOT_MSGPACK) from error
                end = self._unpacker.tell()
                if end - self._frame_start > longest:
                    raise _StreamError(DiscardReason.FRAME_TOO_LONG)
                self._frame_start = end
                yield frame
            if self._fed_octets - self._frame_start > longest:
                raise _StreamError(DiscardReason.FRAME_TOO_LONG)

    def _event(self, frame: object) -> SessionEvent | None:
        if isinstance(frame, list) and frame and type(frame[0]) is int:
            match frame:
                case [0, msgid, str() as method, params] if _is_message_id(msgid):
                    return self._request_received(msgid, method, params)
                case [1, msgid, error, result] if _is_message_id(msgid):
                    return self._response_received(msgid, error, result)
                case [2, str() as method, params]:
                    call = self._decode(method, params, msgid=None)
                    return call if isinstance(call, MessageRefused) else NotificationReceived(call=call)
        raise _StreamError(DiscardReason.NOT_A_MESSAGE)

    def _request_received(self, msgid: int, method: str, params: object) -> SessionEvent:
        if msgid in self._requests_in:
            raise _StreamError(DiscardReason.MESSAGE_ID_IN_USE)
        if len(self._requests_in) >= self._limits.requests_in_max:
            self.discarded[DiscardReason.TOO_MANY_REQUESTS] += 1
            return _refused(msgid, ErrorCode.UNAVAILABLE, "too many requests are waiting for an answer")
        call = self._decode(method, params, msgid=msgid)
        if isinstance(call, MessageRefused):
            return call
        self._requests_in.add(msgid)
        return RequestReceived(msgid=msgid, call=call)

    def _decode(self, method: str, params: object, *, msgid: int | None) -> Any:
        cls = self._accepts.get(method)
        if cls is None:
            self.discarded[DiscardReason.UNKNOWN_METHOD] += 1
            return _refused(msgid, ErrorCode.UNKNOWN_METHOD, f"no method {method[:100]!r} here")
        if not isinstance(params, list) or len(params) != 1:
            self.discarded[DiscardReason.BAD_PARAMS] += 1
            return _refused(msgid, ErrorCode.BAD_PARAMS, "allowed: a list of one map", "params")
        try:
            return decode_params(
                cls, params[0], memberships_max=self._limits.memberships_max, sources_max=self._limits.sources_max
            )
        except RpcParameterError as error:
            self.discarded[DiscardReason.BAD_PARAMS] += 1
            return _refused(msgid, ErrorCode.BAD_PARAMS, str(error), error.field)

    def _response_received(self, msgid: int, error: object, result: object) -> SessionEvent | None:
        if self._requests_out.pop(msgid, None) is None:
            self.discarded[DiscardReason.UNEXPECTED_RESPONSE] += 1
            return None
        if error is None:
            return ResponseReceived(msgid=msgid, result=result)
        return _error_received(msgid, error)

    # --- to the peer -----------------------------------------------------------------------------------------------

    def request(self, call: Any, now: float, timeout_s: float) -> tuple[int, bytes]:
        """The id and the octets of a new request, due at `now + timeout_s`.

        Raises TooManyOutstandingError, and FrameError when the call cannot be encoded.
        """
        if len(self._requests_out) >= self._limits.requests_out_max:
            raise TooManyOutstandingError(f"{len(self._requests_out)} requests are waiting for an answer")
        msgid = self._next_message_id()
        data = self._pack([_REQUEST, msgid, call.method, [encode_params(call)]])
        self._requests_out[msgid] = now + timeout_s
        heapq.heappush(self._deadlines, (now + timeout_s, msgid))
        return msgid, data

    def notify(self, call: Any) -> bytes:
        """The octets of a notification. Raises FrameError."""
        return self._pack([_NOTIFICATION, call.method, [encode_params(call)]])

    def respond(self, msgid: int, result: Any) -> bytes:
        """The octets that answer a RequestReceived with success. Raises FrameError, and the request stays open."""
        self._require_open(msgid)
        data = self._pack([_RESPONSE, msgid, None, result])
        self._requests_in.discard(msgid)
        return data

    def fail(self, msgid: int, code: str, message: str, field: str | None = None) -> bytes:
        """The octets that answer a RequestReceived with an error. Raises FrameError when it is not open."""
        self._require_open(msgid)
        self._requests_in.discard(msgid)
        return _error_frame(msgid, ErrorCode(code), message, field)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, or None."""
        while self._deadlines and self._is_stale(self._deadlines[0]):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def tick(self, now: float) -> list[TimedOut]:
        """The requests whose deadline has come, earliest first; they are forgotten."""
        timed_out: list[TimedOut] = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            _, msgid = heapq.heappop(self._deadlines)
            del self._requests_out[msgid]
            timed_out.append(TimedOut(msgid=msgid))
        return timed_out

    def _is_stale(self, entry: tuple[float, int]) -> bool:
        deadline, msgid = entry
        return self._requests_out.get(msgid) != deadline

    def _next_message_id(self) -> int:
        # Answered requests leave their heap entries behind; rebuilding now and then bounds the heap.
        if len(self._deadlines) > 4 * self._limits.requests_out_max:
            self._deadlines = [(deadline, msgid) for msgid, deadline in self._requests_out.items()]
            heapq.heapify(self._deadlines)
        msgid = self._last_message_id
        while True:
            msgid = (msgid + 1) & _MESSAGE_ID_MAX
            if msgid not in self._requests_out:
                self._last_message_id = msgid
                return msgid

    def _require_open(self, msgid: int) -> None:
        if msgid not in self._requests_in:
            raise FrameError(f"request {msgid} is not waiting for an answer")

    def _pack(self, message: list[Any]) -> bytes:
        try:
            data: bytes = msgpack.packb(message)
        except (TypeError, ValueError, OverflowError) as error:
            raise FrameError(f"cannot be msgpack: {error}") from error
        if len(data) > self._limits.frame_octets_max:
            raise FrameError(f"{len(data)} octets, allowed: {self._limits.frame_octets_max}")
        return data


def _is_message_id(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MESSAGE_ID_MAX


def _refused(msgid: int | None, code: ErrorCode, message: str, field: str | None = None) -> MessageRefused:
    reply = b"" if msgid is None else _error_frame(msgid, code, message, field)
    return MessageRefused(reply=reply, code=code, message=message)


def _error_frame(msgid: int, code: ErrorCode, message: str, field: str | None) -> bytes:
    wire = {"code": code.value, "message": _sendable(message)}
    if field is not None:
        wire["field"] = _sendable(field)
    data: bytes = msgpack.packb([_RESPONSE, msgid, wire, None])
    return data


def _sendable(text: str) -> str:
    # An error must always get through, so what UTF-8 cannot carry (lone surrogates) is replaced.
    return text[:_TEXT_MAX].encode("utf-8", "replace").decode("utf-8")


def _error_received(msgid: int, error: object) -> ErrorReceived:
    # Lenient: other msgpack-RPC libraries send a bare string, and a newer peer may know more codes.
    if not isinstance(error, dict):
        message = error if isinstance(error, str) else f"an error of type {type(error).__name__}"
        return ErrorReceived(msgid=msgid, code=ErrorCode.INTERNAL, message=message[:_TEXT_MAX], field=None)
    text, name = error.get("message"), error.get("field")
    message = text[:_TEXT_MAX] if isinstance(text, str) else ""
    field = name[:_TEXT_MAX] if isinstance(name, str) else None
    code = error.get("code")
    if code not in _ERROR_CODES:
        return ErrorReceived(msgid=msgid, code=ErrorCode.INTERNAL, message=f"(unknown code) {message}", field=field)
    return ErrorReceived(msgid=msgid, code=ErrorCode(code), message=message, field=field)
