# SPDX-License-Identifier: Apache-2.0
"""A switch of a simulation: a Reconciler that talks to a SwitchSimulator with delay, and can be told to refuse."""

from __future__ import annotations

from collections.abc import Callable

from controller.commands import SetForwarding
from controller.events import Event, ForwardingConfirmed, ForwardingFailed, SwitchConnected, SwitchDisconnected
from southbound.openflow.intents import SwitchRole
from southbound.openflow.reconciler import Batch, Confirmed, Failed, Incomplete, Outcome, Reconciler, ResyncRequired
from tests.support.simulated_clock import SimulatedClock, Ticker
from tests.support.switch_simulator import Packet, Sent, SwitchSimulator


class SimulatedSwitch:
    """What apps.datapaths and Open vSwitch are together, for one switch."""

    def __init__(
        self, role: SwitchRole, ports: tuple[str, ...], clock: SimulatedClock, delay_s: float,
        post: Callable[[Event], None],
    ) -> None:
        self.role = role
        self.delay_s = delay_s
        self.refuses = False
        """Answer every batch with an error."""
        self.connected = False
        self.rules = SwitchSimulator()
        self.batches = 0
        self._ports = {name: number for number, name in enumerate(ports, start=1)}
        self._clock, self._post = clock, post
        self._epoch = 0
        self._new_reconciler()

    def connect(self) -> None:
        """The switch finds a controller; it is read before anything is written to it."""
        self.disconnect()
        self._epoch += 1
        self._reading(self._epoch, announce=True)

    def disconnect(self) -> None:
        """The connection is lost; what the switch has stays."""
        self._epoch += 1
        if self.connected:
            self.connected = False
            self._carry_out(self._reconciler.disconnected())
            self._post(SwitchDisconnected(switch=self.role.name))

    def forget_controller(self) -> None:
        """The controller's process has ended and another will come."""
        self._epoch += 1
        self.connected = False
        self._new_reconciler()

    def set_forwarding(self, command: SetForwarding) -> None:
        """Carry out a SetForwarding."""
        self._carry_out(self._reconciler.want(command.intent, command.generation, self._clock.now))

    def inject(self, packet: Packet) -> list[Sent]:
        """Where a packet comes out now."""
        return self.rules.inject(packet)

    def _new_reconciler(self) -> None:
        self._reconciler = Reconciler(self.role)
        reconciler = self._reconciler
        self._clock.add(
            Ticker(
                f"switch {self.role.name}",
                reconciler.next_deadline,
                lambda now: self._carry_out(reconciler.tick(now)),
            )
        )

    def _reading(self, epoch: int, *, announce: bool = False) -> None:
        def read() -> None:
            if epoch != self._epoch:
                return
            self._carry_out(self._reconciler.connected(self._ports, self.rules.rules(), self._clock.now))
            if announce:
                self.connected = True
                self._post(SwitchConnected(switch=self.role.name))

        self._clock.after(self.delay_s, read)

    def _carry_out(self, outcomes: list[Outcome]) -> None:
        name = self.role.name
        for outcome in outcomes:
            match outcome:
                case Batch():
                    self._send(outcome, self._epoch)
                case Confirmed(generation=generation):
                    self._post(ForwardingConfirmed(switch=name, generation=generation))
                case Incomplete(generation=generation, missing_ports=missing):
                    reason = f"no port {', '.join(sorted(missing))}"
                    self._post(ForwardingFailed(switch=name, generation=generation, reason=reason))
                case Failed(generation=generation, reason=reason):
                    self._post(ForwardingFailed(switch=name, generation=generation, reason=reason))
                case ResyncRequired():
                    self._reading(self._epoch)

    def _send(self, batch: Batch, epoch: int) -> None:
        self.batches += 1

        def arrive() -> None:
            if epoch != self._epoch:
                return
            refused = self.refuses
            if not refused:
                self.rules.apply_bundle(batch.changes)
            self._clock.after(self.delay_s / 2, lambda: answer(refused))

        def answer(refused: bool) -> None:
            if epoch != self._epoch:
                return
            now = self._clock.now
            if refused:
                self._carry_out(self._reconciler.batch_failed(batch.batch_id, "OFPET_GROUP_MOD_FAILED", now))
            else:
                self._carry_out(self._reconciler.batch_confirmed(batch.batch_id, now))

        self._clock.after(self.delay_s / 2, arrive)
