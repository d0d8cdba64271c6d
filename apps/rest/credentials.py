# SPDX-License-Identifier: Apache-2.0
"""What `rest` of topology.yaml names in files: tokens, certificate and key, secrets of webhooks. Read at the start."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.rest.access import Access, Role, Token
from topology import rest_model
from topology.problem import show_value

TOKEN_CHARACTERS_MIN = 20
"""What can be guessed is no token; `castover token` makes one of 43 characters."""
SECRET_OCTETS = (24, 64)
"""Of a webhook's secret (Standard Webhooks, signature scheme)."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - what such a secret begins with
_FILE_OCTETS_MAX = 4096


class CredentialsError(Exception):
    """A file is of no use; the message says which key names it, what was found, what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of one controller process."""

    access: Access = field(default_factory=Access)
    tls: ssl.SSLContext | None = None
    webhook_secrets: Mapping[str, bytes] = field(default_factory=dict)
    """By the name of the webhook."""


def read_credentials(rest: rest_model.Rest, topology: Path) -> Credentials:
    """Raises CredentialsError. Names of files are relative to the folder of topology.yaml."""
    folder = topology.parent
    return Credentials(
        access=Access([_token(token, index, folder) for index, token in enumerate(rest.tokens)]),
        tls=None if rest.tls is None else _tls(rest.tls, folder),
        webhook_secrets={
            hook.name: _secret(f"rest.webhooks[{index}].secret_file", folder / hook.secret_file)
            for index, hook in enumerate(rest.webhooks)
        },
    )


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
    for name, file in (("certificate", tls.certificate), ("key", tls.key)):
        # OpenSSL says that one of the two cannot be read, and not which.
        try:
            (folder / file).open("rb").close()
        except OSError as error:
            reason = (error.strerror or "an error").lower()
            raise CredentialsError(
                f"rest.tls.{name}: found {folder / file}, {reason}; allowed: a file that can be read"
            ) from error
    try:
        context.load_cert_chain(folder / tls.certificate, folder / tls.key)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if not isinstance(error, ssl.SSLError) else error.reason
        raise CredentialsError(
            f"rest.tls: found {show_value(tls.certificate)} and {show_value(tls.key)} in {folder}, {reason}; "
            "allowed: files of PEM with a certificate chain and its key without password"
        ) from error
    return context


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
        reason = (error.strerror or "an error").lower()
        raise CredentialsError(f"{key}: found {file}, {reason}; allowed: a file that can be read") from error
    except UnicodeDecodeError as error:
        raise CredentialsError(f"{key}: found {file}, which is not UTF-8; allowed: one line of text") from error
