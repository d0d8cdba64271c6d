# SPDX-License-Identifier: Apache-2.0
"""The radio of a domain of containers: mobile nodes move when their handovers say that they may leave (`lab.radio`)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from castover_client import Castover, CastoverError
from containers.ground import ContainerGround
from containers.turns import one_move
from lab.ground import MovableNode
from lab.radio import Moved, Radio
from topology.model import Domain

_AGAIN_S = 1.0


class InTurn:
    """The mobile nodes' containers, except while a demo moves them."""

    def __init__(self, ground: ContainerGround) -> None:
        self._ground = ground

    @contextlib.contextmanager
    def mobile_node(self, name: str) -> Iterator[MovableNode]:
        """By short name or MN-ID, for one move. Raises LabError."""
        with one_move(self._ground.domain.name), self._ground.mobile_node(name) as node:
            yield node


def run_radio(domain: Domain, gap_ms: float, told: Callable[[Moved], None], say: Callable[[str], None]) -> None:
    """Until the process ends. Containers start in any order: a controller that is not there is waited for."""
    url = f"http://[{domain.controller.address}]:{domain.controller.rest_port}"
    said = ""
    with ContainerGround(domain) as ground:
        while True:
            try:
                radio = Radio(InTurn(ground), Castover.from_environment(url), gap_ms=gap_ms, told=told)
                try:
                    say(f"listening to {url}")
                    said = ""
                    radio.run()
                finally:
                    radio.stop()
            except CastoverError as error:
                if str(error) != said:
                    say(f"no controller: {error}")
                said = str(error)
            time.sleep(_AGAIN_S)
