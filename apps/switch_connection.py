# SPDX-License-Identifier: Apache-2.0
"""One switch: its Reconciler, whose batches become messages, and whose inputs are replies and errors.

Reading it (port descriptions, flows, groups) comes before anything is written to it, on every connection.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from apps.multipart_reading import MultipartReading
from controller.events import Event, ForwardingConfirmed, ForwardingFailed, SwitchConnected, SwitchDisconnected
from southbound.fact_log import log_fact
from southbound.openflow import ofp15, ofp15_stats
from southbound.openflow.reconciler import Batch, Confirmed, Failed, Incomplete, Outcome, Reconciler, ResyncRequired
from topology.switch_names import SwitchNames

_log = logging.getLogger("castover.switches")


class SwitchConnection:
    """For as long as the process lives, with one datapath after another. `post` takes the events that come of it.

    `names`: its host's names of ports against ours; rules and everything else here have ours. `metered`: whether its
    rules need our meters.
    """

    def __init__(
        self, name: str, reconciler: Reconciler, names: SwitchNames, post: Callable[[Event], None], *, metered: bool
    ) -> None:
        self.name, self.reconciler, self.metered = name, reconciler, metered
        self.datapath: Any = None
        self.announced = False
        """The core has been told that it is connected."""
        self._names, self._post = names, post
        self._reading: MultipartReading | None = None
        self._barriers: dict[int, int] = {}
        """Barrier xid -> batch id."""
        self._batch_of_xid: dict[int, int] = {}

    # --- the connection -----------------------------------------------------------------------------------------------

    def connected(self, datapath: Any) -> None:
        """Read it first."""
        if self.datapath is not None and self.datapath is not datapath:
            self.lost()
        self.datapath = datapath
        if self.metered:
            _send_in_one_piece(datapath, ofp15.meter_messages(datapath))
        self.read()

    def lost(self) -> None:
        """The connection is gone."""
        self.datapath, self._reading = None, None
        self._barriers.clear()
        self._batch_of_xid.clear()
        self.carry_out(self.reconciler.disconnected())
        if self.announced:
            self.announced = False
            self._post(SwitchDisconnected(switch=self.name))

    def read(self) -> None:
        """Ask what it has."""
        self._reading = MultipartReading(self.datapath, ofp15_stats.state_requests(self.datapath))
        self._reading.ask()

    def stats_reply(self, kind: str, message: Any) -> bool:
        """Whether this was a part of what `read` has asked for."""
        reading = self._reading
        if reading is None or not reading.take(kind, message):
            return False
        if reading.complete:
            self._reading = None
            self._read_done(reading)
        return True

    def _read_done(self, reading: MultipartReading) -> None:
        found = ofp15_stats.port_numbers(reading.of("ports"))
        ports = {self._names.of_host(name): number for name, number in found.items()}
        observed = ofp15_stats.switch_rules(reading.of("flows"), reading.of("groups"), ports)
        self.carry_out(self.reconciler.connected(ports, observed, time.monotonic()))
        if not self.announced:
            self.announced = True
            self._post(SwitchConnected(switch=self.name))

    # --- what is written ----------------------------------------------------------------------------------------------

    def carry_out(self, outcomes: Iterable[Outcome]) -> None:
        """What the reconciler wants."""
        for outcome in outcomes:
            match outcome:
                case Batch():
                    self._send(outcome)
                case Confirmed(generation=generation):
                    self._post(ForwardingConfirmed(switch=self.name, generation=generation))
                case Incomplete(generation=generation, missing_ports=missing):
                    reason = f"no port {', '.join(sorted(missing))} on the switch"
                    self._post(ForwardingFailed(switch=self.name, generation=generation, reason=reason))
                case Failed(generation=generation, reason=reason):
                    self._post(ForwardingFailed(switch=self.name, generation=generation, reason=reason))
                case ResyncRequired():
                    if self.datapath is not None:
                        self.read()

    def _send(self, batch: Batch) -> None:
        encoded = ofp15.batch_messages(batch, self.datapath)
        self._barriers[encoded.barrier_xid] = batch.batch_id
        self._batch_of_xid.update(dict.fromkeys(encoded.xids, batch.batch_id))
        _send_in_one_piece(self.datapath, encoded.messages)

    def barrier_reply(self, xid: int) -> None:
        """Everything up to this barrier has been done."""
        batch_id = self._barriers.pop(xid, None)
        if batch_id is not None:
            self._forget(batch_id)
            self.carry_out(self.reconciler.batch_confirmed(batch_id, time.monotonic()))

    def error(self, message: Any) -> None:
        """A message was refused; if it was one of a batch, the batch has failed."""
        if ofp15.is_meter_there(message):
            return
        batch_id = self._batch_of_xid.get(message.xid)
        reason = ofp15_stats.error_text(message)
        fields = {"switch": self.name, "batch": batch_id, "reason": reason}
        log_fact(_log, "switch_error", fields, level=logging.WARNING)
        if batch_id is not None:
            self._forget(batch_id)
            self.carry_out(self.reconciler.batch_failed(batch_id, reason, time.monotonic()))

    def _forget(self, batch_id: int) -> None:
        self._batch_of_xid = {xid: batch for xid, batch in self._batch_of_xid.items() if batch != batch_id}
        self._barriers = {xid: batch for xid, batch in self._barriers.items() if batch != batch_id}


def _send_in_one_piece(datapath: Any, messages: Iterable[Any]) -> None:
    """The switch wakes up once for all of them; and Ryu, which holds sixteen pieces, has room."""
    octets = bytearray()
    for message in messages:
        message.serialize()
        octets += message.buf
    datapath.send(bytes(octets))
