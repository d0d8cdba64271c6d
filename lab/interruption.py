# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, SIGTERM and SIGHUP at moments of our choosing.

An exception out of nowhere can hit between starting a thread or a process and taking note of it, and what nobody noted
nobody takes down. While a lab is built or taken down signals are therefore only noted, and asked for at safe points.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LabInterrupted(BaseException):
    """SIGTERM or SIGHUP came: unwinds like KeyboardInterrupt. The argument is the signal's name."""


class Interruption:
    """What `deferred_signals` gives: the signals that came, and when to let them act."""

    def __init__(self) -> None:
        self._pending: list[signal.Signals] = []

    def check(self) -> None:
        """Raise KeyboardInterrupt or LabInterrupted if a signal has come since the last call."""
        if self._pending:
            number = self._pending[0]
            self._pending.clear()
            raise _exception(number)

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Inside, signals act at once; one that has come already acts on entry."""

        def act(number: int, _: FrameType | None) -> None:
            raise _exception(signal.Signals(number))

        with _handlers(act):
            self.check()
            yield

    def _note(self, number: int, _: FrameType | None) -> None:
        self._pending.append(signal.Signals(number))


@contextlib.contextmanager
def deferred_signals() -> Iterator[Interruption]:
    """Inside, signals are only noted. One that was not asked for acts after the end, as it would have before.

    Only the main thread receives signals: in any other this does nothing.
    """
    interruption = Interruption()
    try:
        with _handlers(interruption._note):
            yield interruption
    finally:
        if interruption._pending:
            signal.raise_signal(interruption._pending[0])


def _exception(number: signal.Signals) -> BaseException:
    return KeyboardInterrupt() if number is signal.SIGINT else LabInterrupted(number.name)


@contextlib.contextmanager
def _handlers(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            # None: a handler that was not installed from Python and cannot be put back.
            signal.signal(number, signal.SIG_DFL if old is None else old)
