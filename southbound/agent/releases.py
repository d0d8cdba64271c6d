# SPDX-License-Identifier: Apache-2.0
"""The `handover.release` calls of one MAG, asked again until the controller has carried them out. Pure.

A release that got lost would leave the n-MAG's switch sending native packets to a buffer that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from southbound.agent.commands import CallController, Command
from southbound.agent.handover_exchange import token
from southbound.rpc.methods import ReleaseForwarding

RETRY_AFTER_S = 1.0
RETRIES_MAX = 20
"""After that the controller's own guard has ended the handover."""


@dataclass(slots=True)
class _Asked:
    call: ReleaseForwarding
    then: tuple[Command, ...]
    retries_left: int = RETRIES_MAX
    retry_at: float | None = None
    """None while an answer is awaited."""


class Releases:
    """What has been asked and is not confirmed, by token; bounded because each is asked RETRIES_MAX times at most."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def names(self) -> tuple[str, ...]:
        """Tokens of the calls that are not confirmed."""
        return tuple(self._asked)

    def ask(self, call: ReleaseForwarding, *then: Command) -> CallController:
        """Release the rules of this handover; `then` follows when they are gone."""
        name = token("released", call.mn_id, call.handover_id)
        self._asked[name] = _Asked(call, then)
        return CallController(token=name, call=call)

    def again(self, mn_id: str) -> list[CallController]:
        """All that is not confirmed of this MN: perhaps it has never been asked."""
        of_mn = ((name, asked.call) for name, asked in self._asked.items() if asked.call.mn_id == mn_id)
        return [CallController(token=name, call=call) for name, call in of_mn]

    def answered(self, name: str, error: str | None, now: float) -> list[Command]:
        """What was to follow, once it is over; after an error `tick` asks again."""
        asked = self._asked.get(name)
        if asked is None:
            return []
        if error is None or asked.retries_left == 0:
            del self._asked[name]
            return [*asked.then]
        asked.retries_left -= 1
        asked.retry_at = now + RETRY_AFTER_S
        return []

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return min((asked.retry_at for asked in self._asked.values() if asked.retry_at is not None), default=None)

    def tick(self, now: float) -> list[CallController]:
        """The calls that are to be made again."""
        commands: list[CallController] = []
        for name, asked in self._asked.items():
            if asked.retry_at is not None and asked.retry_at <= now:
                asked.retry_at = None
                commands.append(CallController(token=name, call=asked.call))
        return commands
