# SPDX-License-Identifier: Apache-2.0
"""Programs that know nothing of Castover count what a listener gets while it is handed over: iperf2 and ffmpeg."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from bench.castover_system import castover_system
from bench.lanes import LANES
from bench.listeners import LISTENERS
from bench.settings import write_topology
from bench.system import Outcome, System
from lab.network import Lab, running_lab
from lab.processes import LabProcess, last_log_lines, stop_processes
from lab.requirements import missing_requirement, tool_search_path
from lab.stream import MeasuredStream, StreamSettings
from topology.load import load_topology

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

TOPOLOGY = Path(__file__).resolve().parents[2] / "topology.yaml"
GROUP = "ff1e::101"
HANDOVERS = 3
GAP_MS = 50.0
TS_PACKET = 188
TS_DATAGRAM = 7 * TS_PACKET


def needs(tool: str, package: str) -> pytest.MarkDecorator:
    missing = shutil.which(tool, path=tool_search_path()) is None
    return pytest.mark.skipif(missing, reason=f"not installed: {tool} (apt-get install {package})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A lab with Castover in it, and its one mobile node."""

    lab: Lab
    system: System
    mover: str
    source: str

    def hand_over(self, heard: Callable[[], None]) -> None:
        """Back and forth, each time announced and completed; `heard` returns when the stream has gone on for a while."""
        mags = [mag.id for mag in self.lab.domain.mags]
        with self.lab.mobile_node(self.mover) as host:
            for _ in range(HANDOVERS):
                present = host.attached_to()
                target = next(mag for mag in mags if mag != present)
                outcome = Outcome()
                self.system.before_move(target, outcome)
                host.move(target, GAP_MS)
                self.system.after_move(target, outcome)
                assert outcome.error == ""
                assert outcome.steps
                heard()


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    folder = tmp_path_factory.mktemp("judges")
    lane = next(lane for lane in LANES if lane.name == "predictive")
    path, _ = write_topology(TOPOLOGY, folder, lane=lane, listener=LISTENERS["asm"])
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    document["domain"]["name"] = f"cst-judges-{os.getpid()}"
    path.write_text(json.dumps(document), encoding="utf-8")
    of = load_topology(path)
    with running_lab(of, topology=path, attach=False) as lab, castover_system(
        lab, path, lane, LISTENERS["asm"], lambda _: None
    ) as system:
        mover, source = of.mobile_nodes[0].name, of.sources[0].name
        # A receiver that stays, and whose packets have come: the judges find a path that is there, as a program finds it
        # that joins before the stream begins.
        stream = MeasuredStream(lab, StreamSettings(
            source=source, group=IPv6Address(GROUP), port=5001, rate_pps=50, size=100,
        ), [mover])
        stream.start()
        stream.await_reception(mover, 50, 30.0)
        yield Domain(lab=lab, system=system, mover=mover, source=source)


def until(condition: Callable[[], bool], what: Callable[[], str], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what()}"
        time.sleep(0.02)


def log_of(process: LabProcess) -> str:
    return Path(process.log).read_text(encoding="utf-8", errors="replace")


@needs("iperf", "iperf")
def test_iperf_counts_no_loss_and_no_disorder(domain: Domain) -> None:
    """iperf2's own server report of a multicast stream over three handovers."""
    server = domain.lab.start_process(domain.mover, [
        "iperf", "-s", "-u", "-V", "-B", f"{GROUP}%wlan0", "-p", "5010", "-i", "0.5", "-e",
    ], name="iperf-server")
    until(lambda: "listening" in log_of(server).lower(), lambda: last_log_lines(server))
    client = domain.lab.start_process(domain.source, [
        "iperf", "-c", f"{GROUP}%eth0", "-u", "-V", "-T", "16", "-b", "500pps", "-l", "200", "-t", "8", "-p", "5010",
    ], name="iperf-client")
    until(lambda: re.search(r"\d+/\d+ \(", log_of(server)) is not None, lambda: last_log_lines(server))

    def next_report() -> None:
        present = log_of(server).count("\n")
        until(lambda: log_of(server).count("\n") > present, lambda: last_log_lines(server))

    domain.hand_over(next_report)
    until(lambda: not client.alive, lambda: last_log_lines(client))
    until(lambda: _whole_report(log_of(server)) is not None, lambda: log_of(server)[-2000:])
    stop_processes(domain.lab.domain.name, [server, client])
    said = log_of(server)
    found = _whole_report(said)
    assert found is not None
    lost, total = found
    assert total > 3000
    assert lost == 0, said
    assert "out-of-order" not in said


def _whole_report(said: str) -> tuple[int, int] | None:
    """(lost, total) of the report over the whole stream: the one interval that begins at zero and is longer than 5 s."""
    for begin, end, lost, total in re.findall(
        r"(\d+\.\d+)-(\d+\.\d+) sec .*?\s(\d+)/(\d+) \(", said
    ):
        if float(begin) == 0.0 and float(end) > 5.0:
            return int(lost), int(total)
    return None


@needs("ffmpeg", "ffmpeg")
def test_a_film_has_no_continuity_error(domain: Domain, tmp_path: Path) -> None:
    """An MPEG transport stream from ffmpeg to ffmpeg: judged by ffmpeg's demuxer, and packet by packet here."""
    received = tmp_path / "received.ts"
    # The 'data' format passes octets on as they come: nothing repairs or renumbers them.
    player = domain.lab.start_process(domain.mover, [
        "ffmpeg", "-nostdin", "-y", "-loglevel", "warning", "-f", "data",
        "-i", f"udp://[{GROUP}]:5012?fifo_size=100000&buffer_size=4000000", "-map", "0", "-c", "copy", "-f", "data",
        "-flush_packets", "1", str(received),
    ], name="ffmpeg-player")
    sender = domain.lab.start_process(domain.source, [
        "ffmpeg", "-nostdin", "-loglevel", "warning", "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25",
        "-c:v", "mpeg2video", "-b:v", "1500k",
        "-f", "mpegts", f"udp://[{GROUP}]:5012?ttl=16&pkt_size={TS_DATAGRAM}",
    ], name="ffmpeg-sender")

    def size() -> int:
        return received.stat().st_size if received.exists() else 0

    def more(octets: int) -> None:
        wanted = size() + octets
        until(lambda: size() >= wanted, lambda: last_log_lines(player) + last_log_lines(sender))

    more(100 * TS_DATAGRAM)
    domain.hand_over(lambda: more(30 * TS_DATAGRAM))
    more(100 * TS_DATAGRAM)
    stop_processes(domain.lab.domain.name, [sender, player])
    octets = received.read_bytes()
    octets = octets[: len(octets) // TS_PACKET * TS_PACKET]  # the player was stopped in the middle of one
    received.write_bytes(octets)
    pids, errors = continuity(octets)
    assert errors == []
    assert max(pids.values()) > 500
    judged = domain.lab.start_process(domain.mover, [
        "ffmpeg", "-nostdin", "-loglevel", "debug", "-i", str(received), "-f", "null", "-",
    ], name="ffmpeg-judge")
    until(lambda: not judged.alive, lambda: last_log_lines(judged))
    said = log_of(judged)
    assert "mpegts" in said
    assert "Continuity check failed" not in said
    assert "Packet corrupt" not in said


def continuity(octets: bytes) -> tuple[Counter[int], list[str]]:
    """Packets of each PID, and every jump of a continuity counter (ISO/IEC 13818-1 section 2.4.3.3)."""
    counters: dict[int, int] = {}
    seen: Counter[int] = Counter()
    errors = []
    for at in range(0, len(octets), TS_PACKET):
        header = int.from_bytes(octets[at : at + 4], "big")
        assert header >> 24 == 0x47, f"no sync octet at {at}"
        pid, has_payload, counter = header >> 8 & 0x1FFF, bool(header & 0x10), header & 0xF
        if pid == 0x1FFF:
            continue  # null packets do not count
        seen[pid] += 1
        expected = (counters[pid] + has_payload) & 0xF if pid in counters else counter
        if counter != expected:
            errors.append(f"pid {pid} at octet {at}: {counter} instead of {expected}")
        counters[pid] = counter
    return seen, errors


def test_a_missing_packet_is_a_continuity_error() -> None:
    stream = b"".join(bytes([0x47, 0x01, 0x00, 0x10 | number % 16]).ljust(TS_PACKET, b"\0") for number in range(40))
    assert continuity(stream) == (Counter({256: 40}), [])
    _, errors = continuity(stream[: 10 * TS_PACKET] + stream[11 * TS_PACKET :])
    assert errors == ["pid 256 at octet 1880: 11 instead of 10"]
