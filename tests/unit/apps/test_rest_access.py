# SPDX-License-Identifier: Apache-2.0
"""Who may do what: tokens, roles, the Host header, and the files that credentials are read from."""

from __future__ import annotations

import base64
import hashlib
import logging
import ssl
import subprocess
from pathlib import Path

import pytest

from apps.rest.access import Access, Hosts, Role, Token
from apps.rest.credentials import CredentialsError, judge_credentials, read_credentials
from tests.support.rest_world import RestWorld
from topology import rest_model

READER, TRIGGER = "reader-token-0123456789", "trigger-token-0123456789"
OPEN = ("/", "/healthz", "/readyz", "/openapi.json", "/problems/conflict", "/view/main.js")
BODY = b'{"mn_id": "mn1", "new_mag": "mag2"}'


def token(name: str, role: Role, text: str) -> Token:
    return Token(name=name, role=role, sha256=hashlib.sha256(text.encode()).digest())


@pytest.fixture
def rest() -> RestWorld:
    return RestWorld(access=Access([
        token("dashboard", Role.READ, READER), token("predictor", Role.TRIGGER, TRIGGER),
    ]))


def start(rest: RestWorld, authorization: str | None) -> int:
    headers = {} if authorization is None else {"Authorization": authorization}
    return rest.request("POST", "/v1/handovers", BODY, Content_Type="application/json", **headers).status


def test_without_a_token_only_what_is_open_to_everybody_is_answered(rest: RestWorld) -> None:
    for route in rest.api.routes:
        path = route.path.replace("{name}", "conflict").replace("{file}", "main.js").replace("{", "").replace("}", "")
        answer = rest.request(route.method, path)
        assert (answer.status == 401) == (path not in OPEN), route.path
        if answer.status == 401:
            # RFC 6750 section 3: without any credentials there is no error code.
            assert answer.response.headers["WWW-Authenticate"] == 'Bearer realm="castover"'
            assert answer.json["type"] == "/problems/unauthorized"


@pytest.mark.parametrize(
    ("authorization", "error"),
    [
        ("Bearer wrong", "invalid_token"), (f"Bearer {READER}x", "invalid_token"),
        (f"Bearer {READER[:-1]}", "invalid_token"),
        (f"Basic {READER}", "invalid_request"), (READER, "invalid_request"), ("Bearer", "invalid_request"),
        ("Bearer a b", "invalid_request"), ("Bearer \xe9", "invalid_request"), ("", "invalid_request"),
    ],
)
def test_what_is_no_known_token_is_refused(rest: RestWorld, authorization: str, error: str) -> None:
    answer = rest.get("/v1/mags", Authorization=authorization)
    assert (answer.status, answer.json["type"]) == (401, "/problems/unauthorized")
    assert answer.response.headers["WWW-Authenticate"] == f'Bearer realm="castover", error="{error}"'
    assert READER not in answer.response.text


def test_roles(rest: RestWorld) -> None:
    assert rest.get("/v1/mags", Authorization=f"Bearer {READER}").status == 200
    assert rest.get("/v1/mags", Authorization=f"bearer  {TRIGGER}").status == 200
    refused = rest.request("DELETE", "/v1/handovers/ho-1", Authorization=f"Bearer {READER}")
    assert (refused.status, refused.json["type"]) == (403, "/problems/forbidden")
    challenge = refused.response.headers["WWW-Authenticate"]
    assert challenge == 'Bearer realm="castover", error="insufficient_scope", scope="trigger"'
    assert start(rest, None) == 401
    assert start(rest, f"Bearer {READER}") == 403
    assert start(rest, f"Bearer {TRIGGER}") == 202


@pytest.mark.parametrize(("text", "said"), [
    (READER, {"name": "dashboard", "role": "read"}), (TRIGGER, {"name": "predictor", "role": "trigger"}),
])
def test_a_token_can_ask_what_it_allows(rest: RestWorld, text: str, said: dict[str, str]) -> None:
    assert rest.get("/v1/access", Authorization=f"Bearer {text}").json == said


def test_where_no_token_is_asked_for_everybody_may_begin_handovers() -> None:
    answer = RestWorld().get("/v1/access", Authorization=f"Bearer {READER}")
    assert (answer.status, answer.json) == (200, {"name": None, "role": "trigger"})


def test_the_index_says_whether_a_token_is_asked_for(rest: RestWorld) -> None:
    assert rest.get("/").json["tokens_required"] is True
    assert RestWorld().get("/").json["tokens_required"] is False


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST:80", "[::1]:8080", "192.0.2.7", "castover.example:1"]
)
def test_a_host_that_is_ours_or_an_address_is_answered(host: str) -> None:
    rest = RestWorld(hosts=Hosts(["Castover.example"]))
    assert rest.get("/v1/mags", Host=host).status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example", 421), ("evil.example:8080", 421), ("", 421), ("a b", 421), ("[::1", 400), ("x:y", 400)],
)
def test_another_host_is_not(host: str, status: int) -> None:
    assert RestWorld(hosts=Hosts()).get("/v1/mags", Host=host).status == status


# --- files -----------------------------------------------------------------------------------------------------------


def test_credentials_come_from_files_beside_the_topology(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{READER}\n")
    (tmp_path / "plain").write_text("x" * 24)
    (tmp_path / "standard").write_text("whsec_" + base64.b64encode(bytes(range(32))).decode() + "\n")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
         "/CN=localhost", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"],
        check=True, capture_output=True,
    )
    rest = rest_model.Rest(
        tokens=(rest_model.Token(name="dashboard", role="read", file="token"),),
        tls=rest_model.Tls(certificate="certificate.pem", key="key.pem"),
        webhooks=(
            rest_model.Webhook(name="one", url="http://localhost/", secret_file="plain"),
            rest_model.Webhook(name="two", url="http://localhost/", secret_file="standard"),
        ),
    )
    found = read_credentials(rest, tmp_path / "topology.yaml")
    assert found.access.judge(f"Bearer {READER}", Role.READ) == "dashboard"
    assert found.tls is not None
    assert found.tls.minimum_version == ssl.TLSVersion.TLSv1_2
    assert found.webhook_secrets == {"one": b"x" * 24, "two": bytes(range(32))}


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, "no such file or directory"), (b"short", "found 5 characters"), (b"two words of enough length", "one token"),
        (b"\xff" * 30, "not UTF-8"), (b"x" * 5000, "more than 4096 octets"),
    ],
)
def test_a_token_file_that_is_of_no_use_is_named_with_its_key(tmp_path: Path, content: bytes | None, wanted: str) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    rest = rest_model.Rest(tokens=(rest_model.Token(name="a", role="read", file="token"),))
    with pytest.raises(CredentialsError, match=r"^rest\.tokens\[0\]\.file: ") as raised:
        read_credentials(rest, tmp_path / "topology.yaml")
    assert wanted in str(raised.value)


@pytest.mark.parametrize("content", ["short", "x" * 65, "whsec_!", "whsec_" + "QUJD"])
def test_a_secret_that_is_of_no_use_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_text(content)
    rest = rest_model.Rest(webhooks=(rest_model.Webhook(name="a", url="http://localhost/", secret_file="secret"),))
    with pytest.raises(CredentialsError, match=r"^rest\.webhooks\[0\]\.secret_file: "):
        read_credentials(rest, tmp_path / "topology.yaml")


def make_certificate(folder: Path, name: str, *password: str) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=localhost",
         *(password or ("-nodes",)), "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
        check=True, capture_output=True,
    )


def test_a_certificate_and_a_key_that_are_of_no_use_are_named(tmp_path: Path) -> None:
    rest = rest_model.Rest(tls=rest_model.Tls(certificate="c.pem", key="k.pem"))

    def refused() -> str:
        with pytest.raises(CredentialsError) as raised:
            read_credentials(rest, tmp_path / "topology.yaml")
        # What config check says, except of a file that may still come.
        absent = "no such file" in str(raised.value)
        assert judge_credentials(rest, tmp_path / "topology.yaml") == ([] if absent else [str(raised.value)])
        return str(raised.value)

    for name, key in (("c.pem", "certificate"), ("k.pem", "key")):
        assert refused() == (
            f"rest.tls.{key}: found {tmp_path / name}, no such file or directory; allowed: a file that can be read"
        )
        (tmp_path / name).write_text("nonsense")
    assert refused() == (
        f"rest.tls.certificate: found {tmp_path / 'c.pem'}, without one; allowed: a file of PEM with a certificate chain"
    )
    make_certificate(tmp_path, "one")
    make_certificate(tmp_path, "two")
    make_certificate(tmp_path, "locked", "-passout", "pass:word")
    (tmp_path / "one.pem").rename(tmp_path / "c.pem")
    allowed = "allowed: a file of PEM with the key of rest.tls.certificate, without password"
    assert refused() == f"rest.tls.key: found {tmp_path / 'k.pem'}, without one; {allowed}"
    for name, why in (("two", "the key of another certificate"), ("locked", "a key with a password")):
        (tmp_path / f"{name}.key").rename(tmp_path / "k.pem")
        assert refused() == f"rest.tls.key: found {tmp_path / 'k.pem'}, {why}; {allowed}"


def test_every_file_that_is_of_no_use_is_told(tmp_path: Path) -> None:
    for name, text in (("t", READER), ("u", f"{READER}\n"), ("short", "x"), ("secret", "x" * 23)):
        (tmp_path / name).write_text(text)
    digest = hashlib.sha256(READER.encode()).digest()
    rest = rest_model.Rest(
        tokens=(
            rest_model.Token(name="a", role="read", file="t"), rest_model.Token(name="b", role="trigger", file="u"),
            rest_model.Token(name="c", role="read", file="short"),
            rest_model.Token(name="d", role="trigger", sha256=digest),
            rest_model.Token(name="e", role="read", file="later"),
        ),
        webhooks=(rest_model.Webhook(name="w", url="http://localhost/", secret_file="secret"),),
    )
    once = "allowed: a token that is given once"
    wanted = [
        f"rest.tokens[1]: found the token of rest.tokens[0] (a, read) once more (b, trigger); {once}",
        f"rest.tokens[2].file: found 1 characters in {tmp_path / 'short'}; "
        "allowed: one token of at least 20 characters, such as `castover token` prints",
        f"rest.tokens[3]: found the token of rest.tokens[0] (a, read) once more (d, trigger); {once}",
        f"rest.webhooks[0].secret_file: found 23 octets in {tmp_path / 'secret'}; "
        "allowed: 24 to 64, as they are or as whsec_ and Base64",
    ]
    assert judge_credentials(rest, tmp_path / "topology.yaml") == wanted
    with pytest.raises(CredentialsError) as raised:
        read_credentials(rest, tmp_path / "topology.yaml")
    told = str(raised.value).split("\n")
    assert [line for line in told if "rest.tokens[4]" not in line] == wanted
    assert len(told) == len(wanted) + 1


def test_nothing_logged_holds_a_token(rest: RestWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    start(rest, f"Bearer {TRIGGER}")
    start(rest, "Bearer something-else-0123456789")
    assert "event=rest_trigger client=predictor method=POST route=/v1/handovers" in caplog.text
    assert "token-0123456789" not in caplog.text
    assert "something-else" not in caplog.text
