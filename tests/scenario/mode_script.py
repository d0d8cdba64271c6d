# SPDX-License-Identifier: Apache-2.0
"""What the tests of the modes ask of the messages."""

from __future__ import annotations

from collections.abc import Callable

from southbound.codec.accessors import find_options
from southbound.codec.mobility import ProxyBindingUpdate
from southbound.codec.options import ActiveMulticastSubscription
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_transport import Carried

Opened = Callable[[str], SimulatedDomain]


def said(domain: SimulatedDomain, since: int) -> list[tuple[str, str, str]]:
    """What has gone over the transport network since then, without repetitions."""
    return [(one.source, one.name, one.destination) for one in domain.carried[since:] if not one.repeated]


def groups_of(carried: Carried) -> list[str]:
    """The groups of a PBU-M."""
    assert isinstance(carried.message, ProxyBindingUpdate)
    return [str(option.record.group) for option in find_options(carried.message, ActiveMulticastSubscription)]


def first_update(domain: SimulatedDomain, since: int, mag_id: str = "mag2") -> Carried:
    return next(one for one in domain.carried[since:] if one.name == "PBU" and one.source == mag_id)
