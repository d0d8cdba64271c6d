# SPDX-License-Identifier: Apache-2.0
"""A handover with castover_client: begin it, print what happens, say how it ended.

    PYTHONPATH=. python3 examples/handover.py mn1 mag2

CASTOVER_URL, CASTOVER_TOKEN and CASTOVER_CA_FILE say where the controller is and how to get in.
"""

from __future__ import annotations

import sys

from castover_client import Castover, CastoverError, Handover


def hand_over(castover: Castover, mn_id: str, new_mag: str) -> Handover:
    """The handover as it ended. Raises CastoverError."""
    # The stream is open before the handover begins, so nothing of it is missed.
    with castover.events(mn_id=mn_id) as events:
        begun = castover.start_handover(mn_id, new_mag)
        print(f"handover {begun.id} of {begun.mn_id} from {begun.previous_mag} to {begun.new_mag}")
        for event in events:
            if event.is_gap:
                break  # events are missing; what there is can be asked for below
            if event.fields.get("handover_id") != begun.id:
                continue
            if event.name == "handover_step":
                print(f"  step {event.fields['step']:>2}  {event.fields['node']:<8} {event.fields['step_name']}")
            elif event.name == "handover_forwarding":
                print("the mobile node may leave now, and will miss nothing")
            elif event.name == "handover_ended":
                break
    return castover.wait_for(begun.id, timeout_s=60)


def main() -> int:
    """Exit code 0: completed; 1: refused, failed or cancelled; 2: wrong use."""
    if len(sys.argv) != 3:
        print(f"usage: {sys.argv[0]} MN MAG", file=sys.stderr)
        return 2
    try:
        with Castover.from_environment() as castover:
            done = hand_over(castover, sys.argv[1], sys.argv[2])
    except CastoverError as error:
        print(error, file=sys.stderr)
        return 1
    print(done.state + (f": {done.error}" if done.error else ""))
    return 0 if done.state == "completed" else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main())
