# SPDX-License-Identifier: Apache-2.0
"""What a command finds out about TLS and tokens of an API before it builds a lab for it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from lab import view
from lab.errors import LabError
from lab.rest_access import check_rest_access
from tests.support.castover_command import run
from topology.load import load_topology

REPOSITORY = Path(__file__).resolve().parents[3]
TOKEN = "a-token-of-a-reader-0123456789"  # noqa: S105 - of this test
TLS = "  tls: {certificate: rest.pem, key: rest.key}\n"
TOKENS = f'  tokens: [{{name: a, role: read, sha256: "{hashlib.sha256(TOKEN.encode()).hexdigest()}"}}]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a certificate for 127.0.0.1 and one for another host."""
    found = tmp_path_factory.mktemp("secrets")
    for name, host in (("rest", "IP:127.0.0.1"), ("other", "DNS:elsewhere.example")):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=castover", "-addext", f"subjectAltName={host}", "-keyout", found / f"{name}.key",
             "-out", found / f"{name}.pem"], check=True, capture_output=True,
        )
    return found


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CASTOVER_CA_FILE", "CASTOVER_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def topology(folder: Path, rest: str) -> Path:
    file = folder / "topology.yaml"
    text = (REPOSITORY / "topology.yaml").read_text(encoding="utf-8")
    file.write_text(text + (f"\nrest:\n{rest}" if rest else ""), encoding="utf-8")
    return file


def check(file: Path) -> None:
    check_rest_access(load_topology(file), file)


def test_an_api_that_asks_for_nothing_needs_nothing(folder: Path) -> None:
    check(topology(folder, ""))


def test_a_certificate_has_to_be_trusted_and_to_be_that_of_the_host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = topology(folder, TLS)
    with pytest.raises(LabError, match=rf"not trusted for 127.0.0.1: .*; export CASTOVER_CA_FILE={folder}/rest.pem"):
        check(file)
    monkeypatch.setenv("CASTOVER_CA_FILE", str(folder / "rest.pem"))
    check(file)
    monkeypatch.setenv("CASTOVER_CA_FILE", str(folder / "other.pem"))
    with pytest.raises(LabError, match=r"is not trusted for"):
        check(file)
    with pytest.raises(LabError, match=r"is not trusted for 127.0.0.1: IP address mismatch"):
        check(topology(folder, TLS.replace("rest.", "other.")))
    monkeypatch.setenv("CASTOVER_CA_FILE", str(folder / "none.pem"))
    with pytest.raises(LabError, match=r"CASTOVER_CA_FILE: .*none.pem cannot be used"):
        check(file)


def test_certificate_and_key_that_do_not_fit_are_named(folder: Path) -> None:
    with pytest.raises(LabError, match=r"rest.tls: rest.pem and other.key cannot be used"):
        check(topology(folder, TLS.replace("rest.key", "other.key")))


@pytest.mark.parametrize("tokens", [TOKENS, "  tokens: [{name: a, role: read, file: token}]\n"])
def test_a_token_has_to_be_one_of_the_domains(folder: Path, tokens: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    file = topology(folder, tokens)
    with pytest.raises(LabError, match=r"put one of rest.tokens into CASTOVER_TOKEN"):
        check(file)
    monkeypatch.setenv("CASTOVER_TOKEN", "another")
    with pytest.raises(LabError, match=r"is none of this domain's"):
        check(file)
    monkeypatch.setenv("CASTOVER_TOKEN", TOKEN)
    check(file)


def test_the_view_finds_out_before_it_builds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def built(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(view, "_built", built)
    monkeypatch.setattr("lab.view_cli.check_requirements", lambda: None)
    done = run("view", "--topology", str(topology(folder, TLS)))
    assert done.exit_code == 1
    assert "Error: the certificate of rest.tls is not trusted for 127.0.0.1" in done.output
