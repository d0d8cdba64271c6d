# SPDX-License-Identifier: Apache-2.0
"""The section `rest`: who may use the REST API, and whom it tells."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from topology import rest_values, values
from topology.rest_model import HANDOVER_EVENTS
from topology.rule import TRUTH, Shape, one_of
from topology.section import Section
from topology.sizes import TOKENS_MAX, WEBHOOKS_MAX

ROLES = ("read", "trigger")


class TokenSection(Section):
    """One item of `rest.tokens`: exactly one of `sha256` and `file` is there."""

    name: Annotated[str | None, values.CLIENT_NAME.needed()] = None
    role: Annotated[str | None, one_of(*ROLES).needed()] = None
    sha256: Annotated[bytes | None, rest_values.SHA256] = None
    file: Annotated[str | None, rest_values.FILE_NAME] = None


class TlsSection(Section):
    """`rest.tls`: both files, or no section."""

    certificate: Annotated[str | None, rest_values.FILE_NAME.needed()] = None
    key: Annotated[str | None, rest_values.FILE_NAME.needed()] = None


EventNameItem = Annotated[str | None, one_of(*HANDOVER_EVENTS)]


class WebhookSection(Section):
    """One item of `rest.webhooks`."""

    name: Annotated[str | None, values.CLIENT_NAME.needed()] = None
    url: Annotated[str | None, rest_values.HTTP_URL.needed()] = None
    secret_file: Annotated[str | None, rest_values.FILE_NAME.needed()] = None
    events: Annotated[
        list[EventNameItem] | None,
        Field(max_length=len(HANDOVER_EVENTS)),
        Shape(f"a list of {', '.join(HANDOVER_EVENTS)}, each at most once"),
    ] = None


class RestSection(Section):
    """`rest`: who may use the REST API, and whom it tells."""

    insecure: Annotated[bool | None, TRUTH] = None
    tokens: Annotated[
        list[TokenSection] | None,
        Field(max_length=TOKENS_MAX),
        Shape(f"a list of at most {TOKENS_MAX} tokens"),
    ] = None
    tls: Annotated[TlsSection | None, Shape("a mapping of certificate and key")] = None
    webhooks: Annotated[
        list[WebhookSection] | None,
        Field(max_length=WEBHOOKS_MAX),
        Shape(f"a list of at most {WEBHOOKS_MAX} webhooks"),
    ] = None
