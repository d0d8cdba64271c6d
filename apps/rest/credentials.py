# SPDX-License-Identifier: Apache-2.0
"""What `rest` of topology.yaml names in files: tokens, certificate and key, secrets of webhooks. Read at the start."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.rest.access import Access, Role, Token
from topology import rest_model

TOKEN_CHARACTERS_MIN = 20
"""What can be guessed is no token; `castover token` makes one of 43 characters."""
SECRET_OCTETS = (24, 64)
"""Of a webhook's secret (Standard Webhooks, signature scheme)."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - what such a secret begins with
_FILE_OCTETS_MAX = 4096


class CredentialsError(Exception):
    """Files are of no use; a line for each says which key names it, what was found, what is allowed."""


class _AbsentError(CredentialsError):
    """A file is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of one controller process."""

    access: Access = field(default_factory=Access)
    tls: ssl.SSLContext | None = None
    webhook_secrets: Mapping[str, bytes] = field(default_factory=dict)
    """By the name of the webhook."""


def read_credentials(rest: rest_model.Rest, topology: Path) -> Credentials:
    """Raises CredentialsError with every fault. Names of files are relative to the folder of topology.yaml."""
    reader = _Reader(rest, topology.parent)
    if reader.faults:
        raise CredentialsError("\n".join(str(fault) for fault in reader.faults))
    return Credentials(access=Access(list(reader.tokens.values())), tls=reader.tls, webhook_secrets=reader.secrets)


def judge_credentials(rest: rest_model.Rest, topology: Path) -> list[str]:
    """What `read_credentials` would refuse of the files that are there: others may be on another host, or come later."""
    return [str(fault) for fault in _Reader(rest, topology.parent).faults if not isinstance(fault, _AbsentError)]


class _Reader:
    """Reads all, whatever is wrong with some of it."""

    def __init__(self, rest: rest_model.Rest, folder: Path) -> None:
        self.faults: list[CredentialsError] = []
        self.tokens: dict[int, Token] = {}
        """By their places in rest.tokens."""
        self.secrets: dict[str, bytes] = {}
        self.tls: ssl.SSLContext | None = None
        for index, token in enumerate(rest.tokens):
            with self._noting():
                self.tokens[index] = self._first(index, _token(token, index, folder))
        if rest.tls is not None:
            with self._noting():
                self.tls = _tls(rest.tls, folder)
        for index, hook in enumerate(rest.webhooks):
            with self._noting():
                self.secrets[hook.name] = _secret(f"rest.webhooks[{index}].secret_file", folder / hook.secret_file)

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except CredentialsError as fault:
            self.faults.append(fault)

    def _first(self, index: int, token: Token) -> Token:
        """Raises CredentialsError for a token that another entry has: which role it has would be anybody's guess."""
        for place, other in self.tokens.items():
            if other.sha256 == token.sha256:
                before, again = (f"({one.name}, {one.role.value})" for one in (other, token))
                raise CredentialsError(
                    f"rest.tokens[{index}]: found the token of rest.tokens[{place}] {before} once more {again}; "
                    "allowed: a token that is given once"
                )
        return token


def _token(token: rest_model.Token, index: int, folder: Path) -> Token:
    digest = token.sha256
    if digest is None:
        key = f"rest.tokens[{index}].file"
        text = _text(key, folder / (token.file or ""))
        if len(text) < TOKEN_CHARACTERS_MIN or not text.isascii() or any(character.isspace() for character in text):
            raise CredentialsError(
                f"{key}: found {len(text)} characters in {folder / (token.file or '')}; "
                f"allowed: one token of at least {TOKEN_CHARACTERS_MIN} characters, such as `castover token` prints"
            )
        digest = hashlib.sha256(text.encode()).digest()
    return Token(name=token.name, role=Role(token.role), sha256=digest)


def _tls(tls: rest_model.Tls, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    files = {name: folder / file for name, file in (("certificate", tls.certificate), ("key", tls.key))}
    for name, file in files.items():
        # OpenSSL says that one of the two cannot be read, and not which.
        try:
            file.open("rb").close()
        except OSError as error:
            raise _unreadable(f"rest.tls.{name}", file, error) from error
    allowed_key = "a file of PEM with the key of rest.tls.certificate, without password"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(files["certificate"])
    except OSError as error:  # ssl.SSLError is one
        raise CredentialsError(
            f"rest.tls.certificate: found {files['certificate']}, {_reason(error)}; "
            "allowed: a file of PEM with a certificate chain"
        ) from error
    try:
        context.load_cert_chain(files["certificate"], files["key"], password=_ask_nobody)
    except (OSError, _PasswordError) as error:
        raise CredentialsError(f"rest.tls.key: found {files['key']}, {_reason(error)}; allowed: {allowed_key}") from error
    return context


class _PasswordError(Exception):
    """Of OpenSSL's question for the password of a key, which would wait at a terminal that nobody looks at."""


def _ask_nobody() -> str:
    raise _PasswordError("a key with a password")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key of another certificate"
        # OpenSSL has no word of its own for a file without what it looks for.
        known = error.reason not in (None, "PEM_LIB", "NO_START_LINE", "NO_CERTIFICATE_OR_CRL_FOUND")
        return str(error.reason).replace("_", " ").lower() if known else "without one"
    return str(getattr(error, "strerror", None) or error)


def _secret(key: str, file: Path) -> bytes:
    text = _text(key, file)
    secret = text.encode()
    if text.startswith(SECRET_PREFIX):
        try:
            secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
        except binascii.Error as error:
            raise CredentialsError(f"{key}: found {file}, {error}; allowed: {SECRET_PREFIX} and Base64") from error
    low, high = SECRET_OCTETS
    if not low <= len(secret) <= high:
        raise CredentialsError(
            f"{key}: found {len(secret)} octets in {file}; allowed: {low} to {high}, as they are or as "
            f"{SECRET_PREFIX} and Base64"
        )
    return secret


def _text(key: str, file: Path) -> str:
    try:
        with file.open("rb") as opened:
            octets = opened.read(_FILE_OCTETS_MAX + 1)
        if len(octets) > _FILE_OCTETS_MAX:
            raise CredentialsError(f"{key}: found a file of more than {_FILE_OCTETS_MAX} octets; allowed: one line")
        return octets.decode().strip()
    except OSError as error:
        raise _unreadable(key, file, error) from error
    except UnicodeDecodeError as error:
        raise CredentialsError(f"{key}: found {file}, which is not UTF-8; allowed: one line of text") from error


def _unreadable(key: str, file: Path, error: OSError) -> CredentialsError:
    kind = _AbsentError if isinstance(error, FileNotFoundError) else CredentialsError
    return kind(f"{key}: found {file}, {(error.strerror or 'an error').lower()}; allowed: a file that can be read")
