# SPDX-License-Identifier: Apache-2.0
"""Who may use the REST API, as topology.yaml says it; and that it is safe when nothing is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from topology.model import Domain
from topology.rest_model import HANDOVER_EVENTS, Rest

DIGEST = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
LISTENS = ("rest: 127.0.0.1:8080", 'rest: "[::]:8080"')
SAFE = "a loopback address, or rest.tokens, or rest.insecure: true (whoever reaches it moves mobile nodes)"
NAME = "a name of 1 to 32 characters a-z, 0-9 and '-', starting with a letter"


def section(text: str) -> tuple[str, str]:
    """A replacement that puts `rest:` at the third line."""
    return ("castover: 1\n", f"castover: 1\nrest: {{{text}}}\n")


def test_everything_is_optional(edit: Callable[..., Domain]) -> None:
    assert edit().rest == Rest()
    found = edit(LISTENS, section(
        f"tokens: [{{name: a, role: read, sha256: {DIGEST}}}, {{name: b, role: trigger, file: b}}], "
        "tls: {certificate: c, key: k}, "
        "webhooks: [{name: a, url: 'https://h:1/x?y=z', secret_file: s, events: [handover_ended]}, "
        "{name: b, url: 'http://[::1]', secret_file: s}]"
    )).rest
    assert [(token.name, token.role, token.file) for token in found.tokens] == [("a", "read", None), ("b", "trigger", "b")]
    assert found.tokens[0].sha256 == bytes.fromhex(DIGEST)
    assert found.tls is not None
    assert [hook.events for hook in found.webhooks] == [("handover_ended",), HANDOVER_EVENTS]


@pytest.mark.parametrize("address", ["127.0.0.1:80", "127.9.9.9:80", '"[::1]:80"', "localhost:80", "LocalHost:80"])
def test_what_only_this_machine_reaches_needs_no_token(edit: Callable[..., Domain], address: str) -> None:
    assert edit(("rest: 127.0.0.1:8080", f"rest: {address}")).rest.tokens == ()


@pytest.mark.parametrize(
    ("address", "host"),
    [("0.0.0.0:80", "0.0.0.0"), ('"[::]:80"', "::"), ("192.0.2.1:80", "192.0.2.1"), ("controller:80", "controller"),
     ("localhost.example:80", "localhost.example")],
)
def test_what_others_reach_without_a_token_is_refused(
    problems: Callable[..., list[str]], edit: Callable[..., Domain], address: str, host: str
) -> None:
    listens = ("rest: 127.0.0.1:8080", f"rest: {address}")
    refused = f"found {host}, which others reach, without rest.tokens; allowed: {SAFE}"
    assert problems(listens) == [f"12 controller.rest: {refused}"]
    assert problems(listens, section("insecure: false, tokens: []")) == [f"13 controller.rest: {refused}"]
    assert edit(listens, section("insecure: true")).rest.insecure
    assert edit(listens, section(f"tokens: [{{name: a, role: read, sha256: {DIGEST}}}]")).rest.tokens


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("insecure: 1", "3 rest.insecure: found 1; allowed: true or false"),
        ("insecure: yes", "3 rest.insecure: found 'yes'; allowed: true or false"),
        ("token: []", "3 rest.token: found an unknown key, did you mean tokens?; "
                      "allowed: insecure, tokens, tls, webhooks"),
        ("tokens: {}", "3 rest.tokens: found a mapping; allowed: a list of at most 64 tokens"),
        ("tokens: [{name: a, role: read, file: f}, {name: b, role: trigger, file: f}]",
         "3 rest.tokens[1].file: found 'f', already used by rest.tokens[0].file; "
         "allowed: a file that holds the token of no other entry"),
        ("tokens: [{name: a, role: read}]", "3 rest.tokens[0]: found neither sha256 nor file; allowed: one of them"),
        (f"tokens: [{{name: a, role: read, sha256: {DIGEST}, file: f}}]",
         "3 rest.tokens[0]: found sha256 and file; allowed: one of them"),
        ("tokens: [{name: a, role: admin, file: f}]", "3 rest.tokens[0].role: found 'admin'; allowed: read or trigger"),
        ("tokens: [{name: A, role: read, file: f}]", f"3 rest.tokens[0].name: found 'A'; allowed: {NAME}"),
        ("tokens: [{role: read, file: f}]", f"3 rest.tokens[0].name: found nothing; allowed: (required) {NAME}"),
        ("tokens: [{name: a, role: read, sha256: abc}]",
         "3 rest.tokens[0].sha256: found 'abc'; allowed: 64 hexadecimal digits, such as `castover token` prints"),
        ("tokens: [{name: a, role: read, file: ''}]",
         "3 rest.tokens[0].file: found ''; allowed: the name of a file, at most 1024 characters"),
        ("tokens: [{name: a, role: read, file: f}, {name: a, role: read, file: g}]",
         "3 rest.tokens[1].name: found 'a', already used by rest.tokens[0].name; allowed: a name that no other token has"),
        (f"tokens: [{{name: a, role: read, sha256: {DIGEST}}}, {{name: b, role: trigger, sha256: {DIGEST.upper()}}}]",
         "3 rest.tokens[1].sha256: found 2bb80d53..., already used by rest.tokens[0].sha256; "
         "allowed: a token that is given once"),
        ("tls: {certificate: c}",
         "3 rest.tls.key: found nothing; allowed: (required) the name of a file, at most 1024 characters"),
        ("webhooks: [{name: a, url: 'ftp://h', secret_file: s}]",
         "3 rest.webhooks[0].url: found 'ftp://h'; "
         "allowed: an http or https URL without user and fragment, at most 2048 characters"),
        ("webhooks: [{name: a, url: 'http://me:x@h', secret_file: s}]",
         "3 rest.webhooks[0].url: found 'http://me:x@h', with a user or a fragment; "
         "allowed: an http or https URL without user and fragment, at most 2048 characters"),
        ("webhooks: [{name: a, url: 'http://h', secret_file: s, events: []}]",
         "3 rest.webhooks[0].events: found an empty list; allowed: at least one event, or no key"),
        ("webhooks: [{name: a, url: 'http://h', secret_file: s, events: [handover_end]}]",
         "3 rest.webhooks[0].events[0]: found 'handover_end', did you mean handover_ended?; "
         "allowed: handover_requested or handover_step or handover_forwarding or handover_released or handover_ended"),
        ("webhooks: [{name: a, url: 'http://h', secret_file: s, events: [handover_ended, handover_ended]}]",
         "3 rest.webhooks[0].events[1]: found handover_ended, already used by rest.webhooks[0].events[0]; "
         "allowed: each entry once"),
    ],
)
def test_faults_are_told_one_by_one(problems: Callable[..., list[str]], text: str, problem: str) -> None:
    assert problems(section(text)) == [problem]
