# SPDX-License-Identifier: Apache-2.0
"""What the controller asks of the p-MAG of a handover by itself; the answer comes back under '<method> <handover id>'."""

from __future__ import annotations

from controller.commands import CallAgent
from controller.handover import Handover
from southbound.rpc import methods

AGENT_CALL_TIMEOUT_S = 2.0


def cancel(handover: Handover) -> CallAgent:
    """Give it up, and have the n-MAG drop the context."""
    return _call(handover, methods.CancelHandover(handover_id=handover.handover_id, mn_id=handover.mn_id))


def finish(handover: Handover) -> CallAgent:
    """Complete it (step 11)."""
    return _call(handover, methods.FinishForwarding(handover_id=handover.handover_id, mn_id=handover.mn_id))


def start(handover: Handover) -> CallAgent:
    """Begin it (step 1)."""
    call = methods.StartHandover(
        handover_id=handover.handover_id, mn_id=handover.mn_id, new_mag=handover.new_mag, mode=handover.mode
    )
    return _call(handover, call)


def _call(
    handover: Handover, call: methods.StartHandover | methods.FinishForwarding | methods.CancelHandover
) -> CallAgent:
    return CallAgent(
        mag_id=handover.previous_mag,
        token=f"{call.method} {handover.handover_id}",
        call=call,
        timeout_s=AGENT_CALL_TIMEOUT_S,
    )
