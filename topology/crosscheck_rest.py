# SPDX-License-Identifier: Apache-2.0
"""Cross-checks of the REST API's own section: who reaches it, and who may use it."""

from __future__ import annotations

import ipaddress

from topology import derive
from topology.problem import Location
from topology.rest_schema import RestSection
from topology.schema import Document
from topology.unique import Report, unique, unique_items

SAFE_WITHOUT_TOKENS = "a loopback address, or rest.tokens, or rest.insecure: true (whoever reaches it moves mobile nodes)"


def check_rest(document: Document, report: Report) -> None:
    """Safe by default: without a token only this machine reaches the API, unless the operator says that he knows."""
    section = document.rest or RestSection()
    _check_reach(document, section, report)
    names: list[tuple[Location, str | None]] = []
    for position, token in enumerate(section.tokens or ()):
        where: Location = ("rest", "tokens", position)
        names.append(((*where, "name"), token.name))
        if report.refused(where, (*where, "sha256"), (*where, "file")):
            continue
        if token.sha256 is None and token.file is None:
            report(where, "neither sha256 nor file", "one of them")
        elif token.sha256 is not None and token.file is not None:
            report(where, "sha256 and file", "one of them")
    unique(names, "a name that no other token has", report)
    digests: list[tuple[Location, bytes | None]] = [
        (("rest", "tokens", position, "sha256"), token.sha256) for position, token in enumerate(section.tokens or ())
    ]
    unique(digests, "a token that is given once", report, show=lambda digest: f"{digest.hex()[:8]}...")
    files: list[tuple[Location, str | None]] = [
        (("rest", "tokens", position, "file"), token.file) for position, token in enumerate(section.tokens or ())
    ]
    unique(files, "a file that holds the token of no other entry", report)
    hooks: list[tuple[Location, str | None]] = []
    for position, hook in enumerate(section.webhooks or ()):
        here: Location = ("rest", "webhooks", position)
        hooks.append(((*here, "name"), hook.name))
        if hook.events is not None and not hook.events:
            report((*here, "events"), "an empty list", "at least one event, or no key")
        unique_items((*here, "events"), hook.events, report)
    unique(hooks, "a name that no other webhook has", report)


def _check_reach(document: Document, section: RestSection, report: Report) -> None:
    controller = document.controller
    if controller is None or report.refused(("controller", "rest"), ("rest", "tokens"), ("rest", "insecure")):
        return
    host = derive.rest_host(controller)
    if section.tokens or section.insecure or is_loopback(host):
        return
    report(("controller", "rest"), f"{host}, which others reach, without rest.tokens", SAFE_WITHOUT_TOKENS)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it, as far as can be known without asking a DNS."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        # RFC 6761 section 6.3; any other name is what somebody's DNS says.
        return host.lower() == "localhost"
