# SPDX-License-Identifier: Apache-2.0
"""One run of the demo on a domain that is up, counted: stream, handovers, leftovers, accounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv6Address

from lab.demo_result import RunResult, accounts_of
from lab.demo_run import SETTLE_S, Stage, await_ready, run_handovers
from lab.demo_settings import PORT, UNICAST_PORT, Cast, DemoSettings
from lab.errors import LabError
from lab.ground import Ground
from lab.leftovers import look_for_leftovers
from lab.plan import RADIO_BRIDGE, home_addresses
from lab.rest_client import ENDED, RestClient, items
from lab.stream import MeasuredStream, StreamSettings

_READY_TIMEOUT_S = 30.0
_RECEPTION_TIMEOUT_S = 30.0
_LEFTOVERS_TIMEOUT_S = 5.0
_POLL_S = 0.05
_TENTATIVE = 0x40
"""IFA_F_TENTATIVE of linux/if_addr.h."""

Say = Callable[[str], None]


def await_bindings(client: RestClient, cast: Cast, say: Say, ground: Ground) -> None:
    """Wait until everybody of the cast is bound where its link is up, and nothing is under way for it. Raises LabError.

    A demo that was killed may have left a handover, which ends when the node has not come within context_lifetime_s.
    """
    say("waiting for the bindings")
    wanted = {}
    for node in (cast.mover, *cast.others):
        with ground.mobile_node(node.name) as host:
            wanted[node.id] = host.attached_to() or node.attached_to
    await_ready(client, wanted, _READY_TIMEOUT_S)
    _await_end_of_handovers(client, set(wanted))


def _await_end_of_handovers(client: RestClient, mn_ids: set[str]) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while under_way := [
        handover for handover in items(client.get("/v1/handovers?limit=1000"), "handovers")
        if handover["mn_id"] in mn_ids and handover["state"] not in ENDED
    ]:
        if time.monotonic() > deadline:
            first = under_way[0]
            raise LabError(f"{first['id']} of {first['mn_id']} is still {first['state']} after {_READY_TIMEOUT_S:g} s")
        time.sleep(_POLL_S)


def measure_mode(
    ground: Ground, client: RestClient, cast: Cast, settings: DemoSettings, dialect: str, mode: str, say: Say
) -> RunResult:
    """Start source and sinks, move back and forth in this mode, count. Raises LabError when it cannot go on."""
    say(f"{mode}: starting source and sinks")
    names = [node.name for node in (cast.mover, *cast.others)]
    stream = MeasuredStream(ground, StreamSettings(
        source=cast.source, group=cast.group, port=PORT, rate_pps=settings.rate_pps, size=settings.size,
    ), names)
    stream.start()
    own = _unicast_stream(ground, cast, settings)
    packets = max(2, round(settings.rate_pps * SETTLE_S))
    for name in names:
        stream.await_reception(name, packets, _RECEPTION_TIMEOUT_S)
    if own is not None:
        _await_address(ground, cast.mover.name, home_addresses(cast.mover)[0].ip)
        own.start()
        own.await_reception(cast.mover.name, packets, _RECEPTION_TIMEOUT_S)
    stage = Stage(lab=ground, client=client, stream=stream, cast=cast, settings=settings)
    start_ns = time.time_ns()
    runs = run_handovers(stage, mode, lambda number, of: say(f"{mode}: handover {number} of {of}"))
    say(f"{mode}: looking for leftovers")
    leftovers = _settled_leftovers(ground, client)
    end_ns = time.time_ns()
    say(f"{mode}: counting")
    records = stream.stop()
    unicast = None if own is None else accounts_of(own.stop(), runs, start_ns, end_ns)[cast.mover.name]
    return RunResult(
        dialect=dialect, mode=mode, rate_pps=settings.rate_pps, gap_ms=settings.gap_ms, mover=cast.mover.id,
        runs=runs, accounts=accounts_of(records, runs, start_ns, end_ns), records=records, leftovers=leftovers,
        unicast=unicast,
    )


def _unicast_stream(ground: Ground, cast: Cast, settings: DemoSettings) -> MeasuredStream | None:
    """To the address that the mover forms itself. Raises LabError when it has no prefix of its own."""
    if not settings.unicast:
        return None
    addresses = home_addresses(cast.mover)
    if not addresses:
        raise LabError(f"{cast.mover.id} has no home_network_prefix, so nobody knows its address", "give it one")
    own = StreamSettings(
        source=cast.source, group=addresses[0].ip, port=UNICAST_PORT, rate_pps=settings.rate_pps, size=settings.size
    )
    return MeasuredStream(ground, own, [cast.mover.name], name="unicast")


def _await_address(ground: Ground, node: str, address: IPv6Address) -> None:
    """The mover has formed it, and found that nobody else has it (RFC 4862 section 5.4). Raises LabError."""
    deadline = time.monotonic() + _RECEPTION_TIMEOUT_S
    while True:
        # Not with `ip`: a container has no more than it needs.
        if has_formed(address, RADIO_BRIDGE, ground.run_on(node, ["cat", "/proc/net/if_inet6"])):
            return
        if time.monotonic() > deadline:
            raise LabError(f"{node} has no address {address} after {_RECEPTION_TIMEOUT_S:g} s")
        time.sleep(_POLL_S)


def has_formed(address: IPv6Address, interface: str, table: str) -> bool:
    """Whether the interface has this address, and may use it. `table` is the text of /proc/net/if_inet6.

    Its lines are address, interface index, prefix length, scope and flags in hexadecimal, and the interface's name.
    """
    for line in table.splitlines():
        octets, _, _, _, flags, name = line.split()
        if name == interface and IPv6Address(int(octets, 16)) == address:
            return not int(flags, 16) & _TENTATIVE
    return False


def _settled_leftovers(ground: Ground, client: RestClient) -> list[str]:
    """What is left over when everything that was under way has had its time."""
    deadline = time.monotonic() + _LEFTOVERS_TIMEOUT_S
    while True:
        leftovers = look_for_leftovers(ground, client)
        if not leftovers or time.monotonic() > deadline:
            return leftovers
        time.sleep(_POLL_S)
