# SPDX-License-Identifier: Apache-2.0
"""Whether the lab's programs will get past TLS and tokens of a domain's REST API: asked before a lab is built for them."""

from __future__ import annotations

import hashlib
import os
import ssl
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError
from topology.model import Domain
from topology.rest_model import Tls

_FLIGHTS_MAX = 4
"""Turns of a handshake: TLS 1.3 needs two, and a client that does not trust has said so by then."""


def check_rest_access(domain: Domain, topology: Path) -> None:
    """Raises LabError where CASTOVER_CA_FILE or CASTOVER_TOKEN are missing, or not those of this domain."""
    tls = domain.rest.tls
    if tls is not None:
        _check_trust(tls, domain.controller.rest_host, topology.parent)
    if domain.rest.tokens:
        _check_token(domain, topology.parent)


def _check_trust(tls: Tls, host: str, folder: Path) -> None:
    ca_file = os.environ.get("CASTOVER_CA_FILE") or None
    try:
        trust = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        raise LabError(f"CASTOVER_CA_FILE: {ca_file} cannot be used: {error}", "name a file of PEM certificates") from error
    try:
        _shake_hands(tls, trust, host, folder)
    except ssl.SSLCertVerificationError as error:
        mend = f"export CASTOVER_CA_FILE={folder / tls.certificate}, or the file of its issuer's"
        reason = error.verify_message.rstrip(".")
        raise LabError(f"the certificate of rest.tls is not trusted for {host}: {reason}", mend) from error
    except OSError as error:  # ssl.SSLError is one
        raise LabError(f"rest.tls: {tls.certificate} and {tls.key} cannot be used: {error}") from error


def _shake_hands(tls: Tls, trust: ssl.SSLContext, host: str, folder: Path) -> None:
    """In memory, with the controller's own certificate. Raises what the client would."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / tls.certificate, folder / tls.key)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(to_client, to_server, server_hostname=host)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_FLIGHTS_MAX):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()


def _check_token(domain: Domain, folder: Path) -> None:
    token = os.environ.get("CASTOVER_TOKEN") or ""
    if not token:
        raise LabError("the REST API of this domain asks for a token", "put one of rest.tokens into CASTOVER_TOKEN")
    digests = {known.sha256 for known in domain.rest.tokens if known.sha256 is not None}
    for known in domain.rest.tokens:
        if known.file is not None:
            # What is wrong with a file is for the controller to say.
            with suppress(OSError):
                digests.add(hashlib.sha256((folder / known.file).read_bytes().strip()).digest())
    if hashlib.sha256(token.encode()).digest() not in digests:
        raise LabError("the token in CASTOVER_TOKEN is none of this domain's", "put one of rest.tokens there")
