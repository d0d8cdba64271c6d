# SPDX-License-Identifier: Apache-2.0
"""MNs that have come without a context: which MAG is asked for it, how, and what its answer leads to. Pure.

The controller names the previous MAG (RFC 5949 section 4.1 leaves open who does); `attach_mode` says whether it is asked
by CXTP or by a reactive HI. Whatever goes wrong ends in the PBU of an MN of which nothing is known yet.
"""

from __future__ import annotations

from southbound.agent.attachment import CONTEXT_TRANSFER, Attachments
from southbound.agent.commands import Command, RecordFact
from southbound.agent.context import MagContext
from southbound.agent.context_intake import ContextIntake
from southbound.agent.context_transfer import ContextTransfer, TransferResult
from southbound.agent.reactive import Reactive, ReactiveAnswer


class ContextFetch:
    """The conversation between `Attachments`, whose PBUs wait, and the machines that ask."""

    def __init__(
        self,
        context: MagContext,
        attachments: Attachments,
        transfer: ContextTransfer,
        reactive: Reactive,
        intake: ContextIntake,
    ) -> None:
        self._context, self._attachments = context, attachments
        self._transfer, self._reactive, self._intake = transfer, reactive, intake

    def previous_mag_named(self, mn_id: str, number: str, error: str | None, result: object, now: float) -> list[Command]:
        """The controller's answer to mobile_node.attached."""
        profile = self._attachments.awaited(mn_id, number)
        if profile is None:
            return []
        named = result.get("previous_mag") if isinstance(result, dict) else None
        peer = self._attachments.previous_mag(named)
        if error is not None or peer is None:
            unknown = [] if error is None else [RecordFact(name="previous_mag_unknown", fields={"reason": error})]
            return [*unknown, *self._attachments.register(mn_id, now, moved=False)]
        if self._context.domain.attach_mode == CONTEXT_TRANSFER:
            return self._transfer.request(profile, peer, now)
        return self._reactive.request(profile, peer, now)

    def transferred(self, result: TransferResult, now: float) -> list[Command]:
        """A CTD has come, or none will."""
        if not self._attachments.is_waiting(result.mn_id):
            return []
        known = self._attachments.context_known(result.mn_id, result.memberships, now)
        return [*known, *self._attachments.register(result.mn_id, now, moved=result.found)]

    def answered(self, answer: ReactiveAnswer, now: float) -> list[Command]:
        """The p-MAG's HAck to a reactive HI."""
        mn_id = answer.profile.id
        commands = self._attachments.context_known(mn_id, answer.memberships, now)
        if not self._attachments.is_waiting(mn_id):
            # Served already, or gone again: what was kept is older than what the MN has had since.
            return [*commands, *(self._reactive.told_off(answer, now) if answer.forwards else [])]
        if not answer.forwards:
            return [*commands, *self._attachments.register(mn_id, now, moved=answer.found)]
        memberships = self._attachments.memberships(mn_id)
        commands += self._intake.follow(answer.profile, answer.peer, answer.handover_id, memberships, now)
        names = answer.handover_id, mn_id, answer.peer.id, self._context.mag.id
        return [
            *commands,
            self._context.step(2, "HI reactive", *names, answer.asked_at),
            self._context.step(3, "HAck", *names, now, f"{len(answer.memberships)} group(s)"),
        ]

    def prepared(self, mn_id: str, now: float) -> list[Command]:
        """The switch takes tunnel and native stream to the buffer, or will not: the PBU-M has waited for that.

        Earlier, native packets would reach the MN before those that were kept for it.
        """
        return self._attachments.register(mn_id, now, moved=True)

    def gave_up(self, mn_id: str, handover_id: str, what: str, now: float) -> list[Command]:
        """All repetitions of a HI went unanswered."""
        if what != "reactive" or not self._reactive.gave_up(mn_id, handover_id):
            return []
        return self._attachments.register(mn_id, now, moved=False)

    def tick(self, now: float) -> list[Command]:
        """CT-Reqs to repeat or to give up; those that nobody waits for end."""
        commands, given_up = self._transfer.tick(now, self._attachments.is_waiting)
        return [*commands, *(command for result in given_up for command in self.transferred(result, now))]
