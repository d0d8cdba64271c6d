# SPDX-License-Identifier: Apache-2.0
"""`castover agent` and `castover controller` say in one line what keeps them from starting."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.__main__ import castover
from node import process_cli, switch_cli
from node.listening import cannot_listen
from node.switch_changes import Difference

TOPOLOGY = str(Path(__file__).resolve().parents[3] / "topology.yaml")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(castover, [*arguments, "--topology", TOPOLOGY])
    return result.exit_code, result.output


def test_the_lma_has_no_agent() -> None:
    code, said = run("agent", "lma")
    assert (code, said) == (
        1, "Error: there is no MAG 'lma' (lma is the LMA: its agent is the controller); allowed: mag1, mag2\n",
    )


def test_an_agent_on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_cli.os, "geteuid", lambda: 0)
    code, said = run("agent", "mag1")
    assert code == 1
    assert "2001:db8:ff::11, the address of mag1, is not on this machine; is this the host of mag1?" in said


def test_an_agent_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_cli.os, "geteuid", lambda: 1000)
    assert run("agent", "mag1") == (1, "Error: an agent needs root (raw sockets on the access ports); run it with sudo\n")


def test_a_controller_without_its_address() -> None:
    code, said = run("controller")
    assert code == 1
    for key, port in (("openflow_port", 6653), ("rpc_port", 6654)):
        assert f"controller.{key}: cannot listen on [fd00:ca57::1]:{port}: this machine does not have that address" in said


def test_an_address_that_is_taken_and_a_name_that_is_none() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        (said,) = cannot_listen("controller.rest", "127.0.0.1", port)
        assert said.startswith(f"controller.rest: cannot listen on 127.0.0.1:{port}: somebody listens there already")
    assert cannot_listen("controller.rest", "127.0.0.1", 0) == []
    (said,) = cannot_listen("controller.rest", "no such name", 0)
    assert "is no address of this machine" in said


CONFLICT = Difference(words="bridge br-int: fail_mode is standalone", mend="ovs-vsctl set-fail-mode br-int secure")
ADDITION = Difference(words="port hob0 is missing in br-int", commands=(("add-port", "br-int", "hob0"),))
ADVICE = Difference(words="it may lose packets", mend="start it otherwise", advice=True)
WAITING = Difference(words="port mn1 waits for its network interface: No such device", waits=True)


@pytest.mark.parametrize(("found", "code", "words"), [
    ([], 0, "mag1: the switch is ready\n"),
    ([WAITING], 0, "mag1: the switch is ready\nmag1: port mn1 waits for its network interface: No such device\n"),
    ([ADVICE], 0, "mag1: the switch is ready\nmag1: it may lose packets; start it otherwise\n"),
    ([ADDITION], 3, "mag1: port hob0 is missing in br-int\nadd what is missing: castover switch setup mag1 --topology"),
    ([ADDITION, CONFLICT], 3, "mag1: bridge br-int: fail_mode is standalone; ovs-vsctl set-fail-mode br-int secure\n"),
])
def test_check_says_each_difference(
    monkeypatch: pytest.MonkeyPatch, found: list[Difference], code: int, words: str
) -> None:
    monkeypatch.delenv("CASTOVER_COMMAND", raising=False)
    monkeypatch.setattr(switch_cli, "find_differences", lambda *_, **__: found)
    exit_code, said = run("switch", "check", "mag1")
    assert exit_code == code
    assert words in said


def test_setup_adds_nothing_when_something_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def carry_out(*_: object) -> None:
        pytest.fail("something was added")

    monkeypatch.setattr(switch_cli, "find_differences", lambda *_, **__: [ADDITION, CONFLICT])
    monkeypatch.setattr(switch_cli, "carry_out", carry_out)
    code, said = run("switch", "setup", "mag1")
    assert code == 3
    assert "mag1: nothing was changed" in said


def test_a_dry_run_prints_what_would_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch_cli, "find_differences", lambda *_, **__: [ADDITION, WAITING])
    assert run("switch", "setup", "mag1", "--dry-run") == (0, "ovs-vsctl -- add-port br-int hob0\n")


def test_setup_adds_once(monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[Difference] = [ADDITION, ADVICE]
    monkeypatch.setattr(switch_cli.os, "geteuid", lambda: 0)
    monkeypatch.setattr(switch_cli, "find_differences", lambda *_, **__: list(there))
    monkeypatch.setattr(switch_cli, "carry_out", lambda found, _: there.remove(ADDITION) if found else None)
    said = "mag1: mended: port hob0 is missing in br-int\nmag1: it may lose packets; start it otherwise\n"
    assert run("switch", "setup", "mag1") == (0, f"{said}mag1: the switch is ready\n")
    there.clear()
    assert run("switch", "setup", "mag1") == (0, "mag1: the switch is ready\n")
