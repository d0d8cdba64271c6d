# SPDX-License-Identifier: Apache-2.0
"""Between whom each step of the draft's Figure 2 takes place: the arrows of its ladder diagram."""

from __future__ import annotations

from collections.abc import Callable

from controller.handover import Handover, Step

CONTROLLER = "controller"

_Place = Callable[[Handover, str], str]


def _mobile_node(handover: Handover, _lma: str) -> str:
    return handover.mn_id


def _previous(handover: Handover, _lma: str) -> str:
    return handover.previous_mag


def _new(handover: Handover, _lma: str) -> str:
    return handover.new_mag


def _lma(_handover: Handover, lma: str) -> str:
    return lma


def _trigger(handover: Handover, _lma: str) -> str:
    return CONTROLLER if handover.trigger == "rest" else handover.mn_id


_ARROWS: dict[str, tuple[_Place, _Place]] = {
    "HO-Initiate": (_trigger, _previous),
    "HI": (_previous, _new),
    "HAck": (_new, _previous),
    "HI(F)": (_new, _previous),
    "HAck to HI(F)": (_previous, _new),
    "tunnel data": (_previous, _new),
    "MN left": (_mobile_node, _previous),
    "delivery": (_new, _mobile_node),
    "PBU-M": (_new, _lma),
    "PBA": (_lma, _new),
    "native data": (_lma, _new),
    "HI completed": (_previous, _new),
    "HAck completed": (_new, _previous),
}
"""By the names that the agents give (southbound.agent)."""

_REACTIVE = {"HI reactive": (_new, _previous), "HAck": (_previous, _new)}
"""RFC 5949 section 3.3: there the new MAG asks."""


def arrow(step: Step, handover: Handover, lma_id: str) -> tuple[str, str]:
    """(sender, receiver) of a step; the reporting node for both when the step is nothing that is sent."""
    arrows = _ARROWS | _REACTIVE if handover.mode == "reactive" else _ARROWS
    ends = arrows.get(step.name)
    if ends is None:
        return step.node, step.node
    return ends[0](handover, lma_id), ends[1](handover, lma_id)
