# SPDX-License-Identifier: Apache-2.0
"""Which system a lane runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from bench.castover_system import castover_system
from bench.lanes import CASTOVER, SNOOPING, STATIC, Lane
from bench.listeners import Listener
from bench.snooping import snooping_system
from bench.static_forwarding import static_system
from bench.system import System
from lab.network import Lab

Opener = Callable[[Lab, Path, Lane, Listener, Callable[[str], None]], AbstractContextManager[System]]

SYSTEMS: Mapping[str, Opener] = {
    CASTOVER: castover_system, SNOOPING: snooping_system, STATIC: static_system,
}
"""By `Lane.system`: bring it up in a lab whose mobile node is nowhere yet; it ends with the lab."""
