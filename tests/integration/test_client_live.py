# SPDX-License-Identifier: Apache-2.0
"""castover_client against REST over real sockets: tokens, TLS, pages, events across a controller that dies."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from castover_client import Castover, Event, Forbidden, HandoverRequest, NotTrusted, TokenNeeded, Unreachable
from castover_client.events import EventStream
from lab.demo_run import await_ready
from lab.rest_client import RestClient, RestError
from tests.support.rest_server import ROOT, Server

READER, TRIGGER = "reader-token-0123456789", "trigger-token-0123456789"


@pytest.fixture
def castover(server: Server) -> Iterator[Castover]:
    with Castover(server.url) as made:
        yield made


def test_what_there_is(castover: Castover) -> None:
    assert [mag.id for mag in castover.mags()] == ["mag1", "mag2"]
    assert castover.mag("mag1").mobile_nodes == ("mn1@example.net", "mn2@example.net")
    assert {binding.mn_id: binding.mag for binding in castover.bindings()}["mn1@example.net"] == "mag1"
    assert castover.binding("mn2").home_network_prefixes == ("2001:db8:100:2::/64",)
    assert [listener.groups[0].group for listener in castover.listeners(mn_id="mn1")] == ["ff1e::101"]
    assert [switch.name for switch in castover.switches()] == ["lma", "lma-transport", "mag1", "mag2"]
    assert [rules.flows for rules in castover.rules(switch="mag1")] == [()]
    assert [rates.over_s for rates in castover.rates()] == [0.0] * 4
    topology = castover.topology()
    assert [node.attached_to for node in topology.mobile_nodes] == ["mag1", "mag1"]
    assert castover.document("/openapi.json")["openapi"] == "3.1.0"


def test_handovers_from_begin_to_end(server: Server, castover: Castover) -> None:
    batch = castover.start_handovers([HandoverRequest(mn_id=name, new_mag="mag2") for name in ("mn1", "mn2", "mn1")])
    assert [result.status for result in batch.results] == [202, 202, 409]
    first = batch.results[0].handover
    assert first is not None
    server.tell("complete", handover_id=first.id)
    done = castover.wait_for(first.id)
    assert (done.state, done.packets["delivered"], len(done.steps)) == ("completed", 100, 13)
    assert {(step.name, step.sender, step.receiver) for step in done.steps} >= {
        ("HI", "mag1", "mag2"), ("PBU-M", "mag2", "lma"), ("delivery", "mag2", "mn1@example.net"),
    }
    assert [found.id for found in castover.handovers(ended=False)] == [batch.results[1].handover.id]  # type: ignore[union-attr]
    assert [found.number for found in castover.handovers(page=1)] == [2, 1]
    assert list(castover.handovers(state=("failed", "cancelled"))) == []


def test_events_are_followed_and_chosen(server: Server, castover: Castover) -> None:
    with castover.events() as everything, castover.events(mn_id="mn2") as only:
        handover = castover.start_handover("mn2", "mag2")
        server.tell("fail", handover_id=handover.id)
        names = ["handover_requested", "handover_released", "handover_ended"]
        assert [event.name for event in itertools.islice(only, 3)] == names
        assert [event.name for event in itertools.islice(everything, 3)] == names
        place = only.last_id
    castover.start_handover("mn1", "mag2")
    with castover.events(after=place) as later:
        event = next(later)
        assert (event.name, event.fields["mn_id"], event.is_gap) == ("handover_requested", "mn1@example.net", False)


def test_hanging_up_ends_a_reader_in_another_thread(castover: Castover) -> None:
    events = castover.events()
    heard: list[Event] = []
    reader = threading.Thread(target=lambda: heard.extend(events))
    reader.start()
    events.close()
    reader.join(5.0)
    assert (reader.is_alive(), heard) == (False, [])


def test_events_go_on_when_the_controller_was_away_with_a_gap_when_it_is_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        first = Server(listener.fileno())
        stream = EventStream(Castover(first.url)._connection, "/v1/events", sleep=lambda _: None)
        first.tell("events", count=1, octets=1)
        assert next(stream).name == "mobility_packet_dropped"
        # Connections are broken, then come back: nothing is lost in between.
        stream._hang_up()
        first.tell("events", count=2, octets=2)
        assert [len(event.fields["reason"]) for event in itertools.islice(stream, 2)] == [2, 2]
        first.end()
        second = Server(listener.fileno())
        second.tell("events", count=1, octets=3)
        found: list[Event] = list(itertools.islice(stream, 2))
        assert (found[0].is_gap, found[1].name) == (True, "mobility_packet_dropped")
        stream.close()
        second.end()
    gone = EventStream.__new__(EventStream)
    with pytest.raises(Unreachable):
        gone.__init__(Castover("http://127.0.0.1:1")._connection, "/v1/events")  # type: ignore[misc]


# --- tokens and TLS --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("secured")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=castover.test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem",
         "-out", folder / "certificate.pem"],
        check=True, capture_output=True,
    )
    tokens = "".join(
        f"    - {{name: {role}, role: {role}, sha256: {hashlib.sha256(text.encode()).hexdigest()}}}\n"
        for role, text in (("read", READER), ("trigger", TRIGGER))
    )
    section = f"\nrest:\n  tls: {{certificate: certificate.pem, key: key.pem}}\n  tokens:\n{tokens}"
    (folder / "topology.yaml").write_text((ROOT / "topology.yaml").read_text() + section)
    server = Server(topology=folder / "topology.yaml")
    server.tell("populate")
    yield server, folder / "certificate.pem"
    assert "Traceback" not in server.end()


def test_tokens_and_roles_over_tls(secured: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    server, certificate = secured
    assert server.url.startswith("https://127.0.0.1:")
    with Castover(server.url, ca_file=str(certificate)) as nobody:
        assert nobody.is_ready() is True
        with pytest.raises(TokenNeeded, match="401"):
            nobody.topology()
        with pytest.raises(TokenNeeded):
            nobody.events()
    with Castover(server.url, token=READER, ca_file=str(certificate)) as reader:
        assert len(reader.topology().mags) == 2
        with pytest.raises(Forbidden, match="has the role read; this asks for trigger"):
            reader.start_handover("mn1", "mag2")
    monkeypatch.setenv("CASTOVER_URL", server.url)
    monkeypatch.setenv("CASTOVER_TOKEN", TRIGGER)
    monkeypatch.setenv("CASTOVER_CA_FILE", str(certificate))
    with Castover.from_environment() as trigger, trigger.events(mn_id="mn1") as events:
        assert trigger.start_handover("mn1", "mag2").state == "requested"
        assert next(events).name == "handover_requested"


def test_readers_over_tls_that_have_gone_leave_room_for_others(secured: tuple[Server, Path]) -> None:
    server, certificate = secured
    server.tell("heartbeat", seconds=600.0)
    context = ssl.create_default_context(cafile=str(certificate))
    request = f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {READER}\r\n\r\n".encode()

    def follow() -> ssl.SSLSocket:
        plain = socket.create_connection(server.address, timeout=10.0)
        sock = context.wrap_socket(plain, server_hostname="127.0.0.1")
        sock.sendall(request)
        return sock

    readers = [follow() for _ in range(64)]
    assert {sock.recv(12) for sock in readers} == {b"HTTP/1.1 200"}
    with follow() as one_too_many:
        assert one_too_many.recv(12) == b"HTTP/1.1 503"
    for number, sock in enumerate(readers):
        if number % 2:
            with contextlib.suppress(OSError):
                sock.settimeout(0.0)
                sock.unwrap()  # says close_notify before TCP ends
        sock.close()
    deadline = time.monotonic() + 10.0
    answer = b""
    while answer != b"HTTP/1.1 200":
        assert time.monotonic() < deadline
        with follow() as another:
            answer = another.recv(12)


def test_a_certificate_that_is_not_trusted_is_refused(secured: tuple[Server, Path]) -> None:
    server, certificate = secured
    with Castover(server.url, token=READER) as stranger:
        for ask in (stranger.topology, stranger.is_ready, stranger.events):
            with pytest.raises(NotTrusted, match="is not trusted: self-signed certificate; set CASTOVER_CA_FILE"):
                ask()
    # The certificate is for 127.0.0.1: no other file of certificates mends that.
    other = server.url.replace("127.0.0.1", "localhost")
    with Castover(other, token=READER, ca_file=str(certificate)) as misled:
        with pytest.raises(NotTrusted, match="certificate is refused: Hostname mismatch") as raised:
            misled.topology()
        assert "CASTOVER_CA_FILE" not in str(raised.value)


def test_a_domain_is_not_waited_for_when_it_does_not_let_us_in(
    secured: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, certificate = secured
    # Longer than a test may take.
    with RestClient(server.url) as stranger, pytest.raises(RestError, match=r"is not trusted.* set CASTOVER_CA_FILE"):
        await_ready(stranger, {}, 1000.0)
    monkeypatch.setenv("CASTOVER_CA_FILE", str(certificate))
    reason = r"401 .* asks for a bearer token; put a token of topology\.yaml into CASTOVER_TOKEN"
    with RestClient(server.url) as nobody, pytest.raises(RestError, match=reason):
        await_ready(nobody, {}, 1000.0)


def test_what_is_no_tls_is_dropped_and_a_slow_handshake_holds_up_nobody(secured: tuple[Server, Path]) -> None:
    server, certificate = secured
    with Castover(server.url.replace("https", "http"), token=READER) as plain, pytest.raises(Unreachable):
        plain.topology()
    with socket.create_connection(server.address) as silent, Castover(server.url, ca_file=str(certificate)) as other:
        silent.send(b"\x16\x03\x01")
        answered = threading.Event()
        thread = threading.Thread(target=lambda: other.is_ready() and answered.set())
        thread.start()
        assert answered.wait(5)
        thread.join()


# --- the package alone -----------------------------------------------------------------------------------------------


def test_it_is_installed_and_used_without_anything_of_ours(tmp_path: Path, server: Server) -> None:
    source = shutil.copytree(ROOT / "castover_client", tmp_path / "source")  # pip builds in the folder itself
    installed = tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--root-user-action", "ignore", "--target", str(installed), str(source)],
        check=True, capture_output=True,
    )
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import castover_client; from castover_client import Castover\n"
        "assert castover_client.__file__.startswith(sys.argv[1])\n"
        "print(Castover(sys.argv[2]).start_handover('mn1', 'mag2').state)"
    )
    # -I -S: neither this folder nor any installed package.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(installed), server.url], capture_output=True, text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("requested\n", "")
