# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document says that is no pydantic model: headers, parameters of paths, and which answer leads where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventlet.wsgi import MAX_HEADER_LINE

DESCRIPTION = """Handovers of multicast listeners in one PMIPv6 domain: begin them, follow them, see what there is.

Every GET has a HEAD, every path an OPTIONS. Every answer from 400 on is a problem document (RFC 9457). Lists come in pages;
the Link header (RFC 8288) names the next one. Answers with an ETag may be asked for again with If-None-Match, which costs
next to nothing when nothing has changed. Answers with Castover-Event-Id show the state after that event: follow /v1/events
with it as Last-Event-ID, and nothing is missed in between."""

TAGS = (
    ("handovers", "Begin handovers, follow them, call them off."),
    ("domain", "Bindings, MAGs, listeners, and the map that they are on."),
    ("switches", "Open vSwitch as the controller knows it."),
    ("events", "What happens, as it happens."),
    ("process", "The controller itself."),
)

_ETAG = {"description": "Names the state that is shown (RFC 9110 section 8.8.3).", "schema": {"type": "string"}}

RESPONSE_HEADERS: Mapping[str, dict[str, Any]] = {
    "Location": {"description": "The handover.", "schema": {"type": "string", "format": "uri-reference"}},
    "Link": {"description": "Pages (RFC 8288): next, while there are more; first, on every page but that one.",
             "schema": {"type": "string"}},
    "ETag": _ETAG,
    "Castover-Event-Id": {
        "description": "Id of the last event that is in this answer; a Last-Event-ID for /v1/events.",
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "true when this was answered to the same Idempotency-Key before.", "schema": {"const": "true"},
    },
    "WWW-Authenticate": {"description": "RFC 6750 section 3.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "Accept": {"description": "What is taken.", "schema": {"type": "string"}},
    "Accept-Encoding": {"description": "What is taken (RFC 9110 section 12.5.3).", "schema": {"type": "string"}},
}

PROBLEM_HEADERS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",), 403: ("WWW-Authenticate",), 415: ("Accept", "Accept-Encoding"), 503: ("Retry-After",),
}
"""Headers of problems by status; an answer 503 of /readyz has none."""



def _text_header(name: str, description: str) -> dict[str, Any]:
    # The server refuses a header line that fills its buffer (431).
    longest = MAX_HEADER_LINE - 1 - len(f"{name}: \r\n")
    return {"description": description, "schema": {"type": "string", "maxLength": longest}}


REQUEST_HEADERS: Mapping[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "A text of the client's own in double quotes (RFC 8941), such as a UUID: the request is carried out "
                       "once, however often it is sent. The same key with another body gets 422, with one that is still "
                       "being carried out 409.",
        "schema": {
            "type": "string", "minLength": 1, "maxLength": 257,
            "pattern": r'^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\--~]{1,255})$',
        },
    },
    "Last-Event-ID": _text_header("Last-Event-ID", "Id of an event: begin after it."),
    "If-None-Match": _text_header("If-None-Match", "ETag of an answer that the client has; 304 when it is still right."),
}

WEBHOOK_HEADERS: Mapping[str, str] = {
    "webhook-id": "Id of the event, the same for every try",
    "webhook-timestamp": "Seconds since 1970 of this try",
    "webhook-signature": "v1 and the HMAC-SHA256 of id, timestamp and body, joined by dots, in Base64",
}

PATH_PARAMETERS: Mapping[str, str] = {
    "handover_id": "Id of a handover",
    "mn_id": "MN-ID or short name of a mobile node",
    "mag_id": "Id of a MAG",
    "name": "Name of a problem type",
    "file": "Name of a file of the page",
}

LINKS: Mapping[tuple[str, int], dict[str, Any]] = {
    ("start_handover", 202): {
        "get": {"operationId": "get_handover", "parameters": {"handover_id": "$response.body#/id"}},
        "cancel": {"operationId": "cancel_handover", "parameters": {"handover_id": "$response.body#/id"}},
    },
}
"""By operation and status: what can be asked for with what was answered."""
