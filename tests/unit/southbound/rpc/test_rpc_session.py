# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import random
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.rpc.errors import ErrorCode, FrameError, TooManyOutstandingError
from southbound.rpc.methods import (
    AGENT_METHODS,
    CONTROLLER_METHODS,
    BufferReport,
    CancelHandover,
    Hello,
    MobileNodeDetached,
    StartHandover,
)
from southbound.rpc.session import Session, SessionLimits
from southbound.rpc.session_events import (
    DiscardReason,
    ErrorReceived,
    MessageRefused,
    NotificationReceived,
    ProtocolBroken,
    RequestReceived,
    ResponseReceived,
    TimedOut,
)

HELLO = Hello(mag_id="mag1", version="0.1.0", process_id=7)
START = StartHandover(handover_id="h1", mn_id="mn1@example.net", new_mag="mag2")
REPORT = BufferReport(handover_id="h1", mn_id="mn1@example.net", counters={"delivered": 3})


def controller(**limits: int) -> Session:
    return Session(accepts=CONTROLLER_METHODS, limits=SessionLimits(**limits))


def agent(**limits: int) -> Session:
    return Session(accepts=AGENT_METHODS, limits=SessionLimits(**limits))


def hello_frame(msgid: int) -> bytes:
    return msgpack.packb([0, msgid, "agent.hello", [{"mag_id": "mag1", "version": "0.1.0", "process_id": 7}]])


class TestWire:
    """The octets are those of the msgpack and msgpack-rpc specifications, written out by hand."""

    def test_request(self) -> None:
        cancel = CancelHandover(handover_id="h", mn_id="m")
        _, data = controller().request(cancel, 0.0, 1.0)
        expected = (
            b"\x94\x00\x01\xafhandover.cancel\x91\x82\xabhandover_id\xa1h\xa5mn_id\xa1m"
        )
        assert data == expected
        assert agent().receive(data, 0.0) == [RequestReceived(msgid=1, call=cancel)]

    def test_notification(self) -> None:
        data = agent().notify(MobileNodeDetached(mn_id="m"))
        assert data == b"\x93\x02\xb4mobile_node.detached\x91\x81\xa5mn_id\xa1m"

    def test_response(self) -> None:
        session = controller()
        session.receive(hello_frame(5), 0.0)
        assert session.respond(5, None) == b"\x94\x01\x05\xc0\xc0"

    def test_error(self) -> None:
        session = controller()
        session.receive(hello_frame(5), 0.0)
        assert session.fail(5, "refused", "no", "mag_id") == (
            b"\x94\x01\x05\x83\xa4code\xa7refused\xa7message\xa2no\xa5field\xa6mag_id\xc0"
        )


class TestPair:
    def test_call_and_result(self) -> None:
        lma, mag = controller(), agent()
        msgid, data = mag.request(HELLO, 0.0, 1.0)
        assert lma.receive(data, 3.0) == [RequestReceived(msgid=msgid, call=HELLO)]
        assert lma.last_heard == 3.0
        assert mag.receive(lma.respond(msgid, {"a": [1, None]}), 0.1) == [
            ResponseReceived(msgid=msgid, result={"a": [1, None]})
        ]
        assert mag.next_deadline() is None

    def test_both_ways_with_equal_ids(self) -> None:
        lma, mag = controller(), agent()
        ours, to_agent = lma.request(START, 0.0, 1.0)
        theirs, to_lma = mag.request(HELLO, 0.0, 1.0)
        assert ours == theirs
        assert mag.receive(to_agent, 0.0) == [RequestReceived(msgid=ours, call=START)]
        assert lma.receive(to_lma, 0.0) == [RequestReceived(msgid=theirs, call=HELLO)]
        assert lma.receive(mag.fail(ours, ErrorCode.REFUSED, "busy"), 0.0) == [
            ErrorReceived(msgid=ours, code=ErrorCode.REFUSED, message="busy", field=None)
        ]

    def test_answers_in_another_order(self) -> None:
        lma, mag = controller(), agent()
        first, second = (mag.request(HELLO, 0.0, 1.0) for _ in range(2))
        lma.receive(first[1] + second[1], 0.0)
        data = lma.respond(second[0], 2) + lma.respond(first[0], 1)
        assert mag.receive(data, 0.0) == [
            ResponseReceived(msgid=second[0], result=2),
            ResponseReceived(msgid=first[0], result=1),
        ]

    @given(cuts=st.lists(st.integers(0, 400), max_size=40))
    def test_any_fragmentation_gives_the_same_events(self, cuts: list[int]) -> None:
        mag = agent()
        stream = b"".join(
            [mag.request(HELLO, 0.0, 1.0)[1], mag.notify(REPORT), msgpack.packb([0, 9, "nonsense", [{}]])]
        )
        whole = controller().receive(stream, 0.0)
        edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
        lma, events = controller(), []
        for start, end in itertools.pairwise(edges):
            events += lma.receive(stream[start:end], 0.0)
        assert events == whole
        assert len(events) == 3

    def test_one_octet_at_a_time(self) -> None:
        mag, lma = agent(), controller()
        stream = mag.request(HELLO, 0.0, 1.0)[1] + mag.notify(REPORT)
        events = [event for octet in stream for event in lma.receive(bytes([octet]), 0.0)]
        assert events == [RequestReceived(msgid=1, call=HELLO), NotificationReceived(call=REPORT)]


class TestRefusals:
    def refused(self, session: Session, frame: Any) -> tuple[MessageRefused, Any]:
        (event,) = session.receive(msgpack.packb(frame), 0.0)
        assert isinstance(event, MessageRefused)
        return event, msgpack.unpackb(event.reply) if event.reply else None

    def test_unknown_method(self) -> None:
        session = controller()
        _, reply = self.refused(session, [0, 3, "handover.start", [{}]])  # the agent's, not ours
        assert reply == [1, 3, {"code": "unknown_method", "message": "no method 'handover.start' here"}, None]
        assert session.discarded == {DiscardReason.UNKNOWN_METHOD: 1}
        assert session.receive(hello_frame(3), 0.0) == [RequestReceived(msgid=3, call=HELLO)]

    def test_bad_params_name_the_field(self) -> None:
        session = controller()
        wire = {"mag_id": 5, "version": "0.1.0", "process_id": 7}
        _, reply = self.refused(session, [0, 3, "agent.hello", [wire]])
        assert reply[2] == {"code": "bad_params", "message": "mag_id: found int, allowed: str", "field": "mag_id"}
        assert session.discarded == {DiscardReason.BAD_PARAMS: 1}

    @pytest.mark.parametrize("params", [None, 7, {}, [], [{}, {}], "x"])
    def test_params_are_one_map(self, params: object) -> None:
        _, reply = self.refused(controller(), [0, 3, "agent.hello", params])
        assert (reply[2]["code"], reply[2]["field"]) == ("bad_params", "params")

    @pytest.mark.parametrize("frame", [[2, "nonsense", [{}]], [2, "agent.hello", [{}]], [2, "agent.hello", 4]])
    def test_bad_notification_has_no_reply(self, frame: list[Any]) -> None:
        session = controller()
        event, _ = self.refused(session, frame)
        assert event.reply == b""
        assert session.discarded.total() == 1

    def test_too_many_requests(self) -> None:
        session = controller(requests_in_max=2)
        assert len(session.receive(hello_frame(1) + hello_frame(2), 0.0)) == 2
        event, reply = self.refused(session, msgpack.unpackb(hello_frame(3)))
        assert event.code is ErrorCode.UNAVAILABLE
        assert reply[1] == 3
        assert session.discarded == {DiscardReason.TOO_MANY_REQUESTS: 1}
        session.respond(1, None)
        assert session.receive(hello_frame(3), 0.0) == [RequestReceived(msgid=3, call=HELLO)]

    def test_error_text_that_is_not_utf8_still_gets_through(self) -> None:
        session = controller()
        session.receive(hello_frame(1), 0.0)
        assert msgpack.unpackb(session.fail(1, "internal", "\ud800" * 5000))[2]["message"] == "?" * 1024


class TestBrokenStream:
    @pytest.mark.parametrize(
        "frame",
        [
            5, None, "GET / HTTP/1.1", {}, [], [0], [3, 1, "agent.hello", [{}]], [False, 1, "agent.hello", [{}]],
            [0, -1, "agent.hello", [{}]], [0, 2**32, "agent.hello", [{}]], [0, True, "agent.hello", [{}]],
            [0, "1", "agent.hello", [{}]], [0, 1, 5, [{}]], [0, 1, "agent.hello"], [0, 1, "agent.hello", [{}], 0],
            [1, 1, None], [1, None, None, None], [2, None, [{}]], [2, "agent.hello"],
        ],
    )
    def test_no_message(self, frame: object) -> None:
        session = controller()
        events = session.receive(hello_frame(1) + msgpack.packb(frame) + hello_frame(2), 0.0)
        assert events == [
            RequestReceived(msgid=1, call=HELLO), ProtocolBroken(reason=DiscardReason.NOT_A_MESSAGE)
        ]
        assert session.broken is DiscardReason.NOT_A_MESSAGE
        assert session.receive(hello_frame(2), 0.0) == []
        assert session.discarded == {DiscardReason.NOT_A_MESSAGE: 1, DiscardReason.AFTER_THE_END: 1}

    @pytest.mark.parametrize(
        "data",
        [
            b"\xc1",  # never used
            b"\x94\x00\x01\xa1\xff",  # bad UTF-8
            b"\x81\x01\x01",  # a map key that is no text
            b"\x91" * 2000,  # too nested
            b"\xdd\x00\x10\x00\x00" * 100,  # arrays that claim a million items each
            b"\xdf\x00\x10\x00\x00",
        ],
    )
    def test_no_msgpack(self, data: bytes) -> None:
        assert controller().receive(data, 0.0) == [ProtocolBroken(reason=DiscardReason.NOT_MSGPACK)]

    def test_two_gibibytes_of_text_announced(self) -> None:
        session = controller()
        assert session.receive(b"\xdb\x7f\xff\xff\xff" + b"x" * 1_000_000, 0.0) == []
        assert session.receive(b"x" * 50_000, 0.0) == [ProtocolBroken(reason=DiscardReason.FRAME_TOO_LONG)]

    def test_message_id_in_use(self) -> None:
        events = controller().receive(hello_frame(1) * 2, 0.0)
        assert events[1:] == [ProtocolBroken(reason=DiscardReason.MESSAGE_ID_IN_USE)]

    @pytest.mark.parametrize("step", [1000, 10**7])
    def test_frame_too_long(self, step: int) -> None:
        session = controller()
        frame = msgpack.packb([1, 1, None, ["x" * 1000] * 1100])
        events = [event for at in range(0, len(frame), step) for event in session.receive(frame[at : at + step], 0.0)]
        assert events == [ProtocolBroken(reason=DiscardReason.FRAME_TOO_LONG)]

    def test_incomplete_frame_of_small_items_is_bounded_too(self) -> None:
        # The unpacker reads these at once, so its own cap on waiting octets never applies.
        session = controller(frame_octets_max=1000)
        events = session.receive(b"\xdc\x0f\xff" + b"\x90" * 1500, 0.0)
        assert events == [ProtocolBroken(reason=DiscardReason.FRAME_TOO_LONG)]

    @pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
    def test_the_limit_is_exact(self, spare: int, fits: bool) -> None:
        frame = hello_frame(1)
        events = controller(frame_octets_max=len(frame) + spare).receive(frame, 0.0)
        assert isinstance(events[0], RequestReceived if fits else ProtocolBroken)

    def test_many_frames_in_one_read_are_no_long_frame(self) -> None:
        session = controller(requests_in_max=100_000)
        stream = b"".join(hello_frame(msgid) for msgid in range(40_000))
        assert len(stream) > 2 * 1024 * 1024
        assert len(session.receive(stream, 0.0)) == 40_000

    @given(st.binary(max_size=300))
    def test_junk_never_raises(self, data: bytes) -> None:
        session = controller()
        for event in session.receive(data, 0.0):
            assert not isinstance(event, ProtocolBroken) or session.broken is event.reason

    @given(st.recursive(
        st.none() | st.booleans() | st.integers(-5, 2**63) | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    ), st.sampled_from(sorted(CONTROLLER_METHODS)))
    def test_odd_values_never_raise(self, value: object, method: str) -> None:
        session = controller()
        session.request(START, 0.0, 1.0)
        for frame in (value, [0, 1, method, [value]], [2, method, value], [1, 1, value, value]):
            session.receive(msgpack.packb(frame), 0.0)

    def test_no_room_is_taken_for_what_has_not_come(self) -> None:
        """Room taken ahead is resident later: the kernel gives it page by page as it is written through."""
        tracemalloc.start()
        try:
            agent()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 64 * 1024

    def test_a_frame_of_almost_the_longest_length_in_pieces(self) -> None:
        text = "x" * (1024 * 1024 - 100)
        frame = msgpack.packb([2, "agent.nothing", [{"text": text}]])
        session = controller()
        pieces = [frame[at : at + 10_000] for at in range(0, len(frame), 10_000)]
        found = [event for piece in pieces for event in session.receive(piece, 0.0)]
        assert [type(event) for event in found] == [MessageRefused]
        assert session.broken is None

    def test_a_flipped_octet_never_raises(self) -> None:
        rng = random.Random(5949)
        good = hello_frame(1)
        for _ in range(2000):
            data = bytearray(good)
            data[rng.randrange(len(data))] = rng.randrange(256)
            controller().receive(bytes(data), 0.0)


class TestResponses:
    def test_to_nothing(self) -> None:
        session = controller()
        assert session.receive(msgpack.packb([1, 1, None, None]), 0.0) == []
        assert session.discarded == {DiscardReason.UNEXPECTED_RESPONSE: 1}
        assert session.broken is None

    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            ("no such thing", ErrorCode.INTERNAL, "no such thing"),
            (["a", 1], ErrorCode.INTERNAL, "an error of type list"),
            ({}, ErrorCode.INTERNAL, "(unknown code) "),
            ({"code": "later", "message": "m"}, ErrorCode.INTERNAL, "(unknown code) m"),
            ({"code": [], "message": 3, "field": 4}, ErrorCode.INTERNAL, "(unknown code) "),
            ({"code": "timeout", "message": "m" * 5000}, ErrorCode.TIMEOUT, "m" * 1024),
            (False, ErrorCode.INTERNAL, "an error of type bool"),
        ],
    )
    def test_any_error_is_understood(self, error: object, code: ErrorCode, message: str) -> None:
        session = controller()
        msgid, _ = session.request(START, 0.0, 1.0)
        events = session.receive(msgpack.packb([1, msgid, error, None]), 0.0)
        assert events == [ErrorReceived(msgid=msgid, code=code, message=message, field=None)]

    def test_deeply_nested_error(self) -> None:
        session = controller()
        msgid, _ = session.request(START, 0.0, 1.0)
        frame = msgpack.packb([1, msgid])[1:]
        assert session.receive(b"\x94" + frame + b"\x91" * 500 + b"\x90" + b"\xc0", 0.0) != []


class TestDeadlines:
    def test_earliest_first_and_late_answer_discarded(self) -> None:
        session = controller()
        slow, _ = session.request(START, 10.0, 5.0)
        quick, _ = session.request(START, 10.0, 1.0)
        assert session.next_deadline() == 11.0
        assert session.tick(10.999) == []
        assert session.tick(20.0) == [TimedOut(msgid=quick), TimedOut(msgid=slow)]
        assert session.next_deadline() is None
        assert session.receive(msgpack.packb([1, slow, None, None]), 20.0) == []
        assert session.discarded == {DiscardReason.UNEXPECTED_RESPONSE: 1}

    def test_answered_requests_do_not_time_out(self) -> None:
        session = controller()
        first, _ = session.request(START, 0.0, 1.0)
        session.request(START, 0.0, 2.0)
        session.receive(msgpack.packb([1, first, None, None]), 0.5)
        assert session.next_deadline() == 2.0
        assert session.tick(1.5) == []

    def test_outstanding_is_capped(self) -> None:
        session = controller(requests_out_max=2)
        session.request(START, 0.0, 1.0)
        session.request(START, 0.0, 1.0)
        with pytest.raises(TooManyOutstandingError):
            session.request(START, 0.0, 1.0)
        session.tick(1.0)
        session.request(START, 1.0, 1.0)

    def test_deadlines_of_answered_requests_do_not_pile_up(self) -> None:
        session = controller(requests_out_max=4)
        session.request(START, 0.0, 0.5)  # stays, and keeps the others from being looked at
        for _ in range(10_000):
            msgid, _ = session.request(START, 0.0, 100.0)
            session.receive(msgpack.packb([1, msgid, None, None]), 0.0)
        assert len(session._deadlines) <= 17
        assert session.next_deadline() == 0.5

    def test_message_ids_wrap_and_skip_what_is_open(self) -> None:
        session = controller()
        first, _ = session.request(START, 0.0, 1.0)
        session._last_message_id = 0xFFFFFFFF
        assert [session.request(START, 0.0, 1.0)[0] for _ in range(2)] == [0, first + 1]


class TestOurFaults:
    def test_answering_twice(self) -> None:
        session = controller()
        session.receive(hello_frame(1), 0.0)
        session.respond(1, None)
        with pytest.raises(FrameError):
            session.respond(1, None)
        with pytest.raises(FrameError):
            session.fail(1, "internal", "")

    @pytest.mark.parametrize("result", [object(), 2**70, "\ud800", "x" * 1024 * 1024])
    def test_a_result_that_cannot_be_sent_leaves_the_request_open(self, result: object) -> None:
        session = controller()
        session.receive(hello_frame(1), 0.0)
        with pytest.raises(FrameError):
            session.respond(1, result)
        assert session.fail(1, "internal", "")

    def test_a_call_that_cannot_be_sent_is_not_outstanding(self) -> None:
        session = agent()
        with pytest.raises(FrameError):
            session.request(MobileNodeDetached(mn_id="\ud800"), 0.0, 1.0)
        assert session.next_deadline() is None
