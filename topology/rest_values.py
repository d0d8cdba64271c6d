# SPDX-License-Identifier: Apache-2.0
"""What single values of the REST API's configuration may be; `topology.rule` says what a rule is."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from topology.rule import RefusedValueError, Rule, plain_text

FILE_NAME_CHARACTERS_MAX = 1024
URL_CHARACTERS_MAX = 2048

_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def _host_and_port(value: object) -> tuple[str, int]:
    host, colon, port_text = plain_text(value).rpartition(":")
    if not colon or not _PORT.fullmatch(port_text) or int(port_text) > 65535:
        raise RefusedValueError
    try:
        if host.startswith("[") and host.endswith("]"):
            return str(IPv6Address(host[1:-1])), int(port_text)
        if re.fullmatch(r"[0-9.]+", host):
            return str(IPv4Address(host)), int(port_text)
    except ValueError as error:
        raise RefusedValueError from error
    if not _HOST_NAME.fullmatch(host):
        raise RefusedValueError
    return host, int(port_text)


def _sha256(value: object) -> bytes:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise RefusedValueError
    return bytes.fromhex(value)


def _file_name(value: object) -> str:
    name = plain_text(value)
    if not name or len(name) > FILE_NAME_CHARACTERS_MAX or "\0" in name:
        raise RefusedValueError
    return name


def _http_url(value: object) -> str:
    url = plain_text(value)
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise RefusedValueError from error
    if not well_formed or not url.isascii() or not url.isprintable() or " " in url or len(url) > URL_CHARACTERS_MAX:
        raise RefusedValueError
    if parts.username is not None or parts.fragment:
        raise RefusedValueError("with a user or a fragment")
    return url


HOST_AND_PORT = Rule('host:port, such as 127.0.0.1:8080 or "[::1]:8080", port 1 to 65535', _host_and_port)
SHA256 = Rule("64 hexadecimal digits, such as `castover token` prints", _sha256)
FILE_NAME = Rule(f"the name of a file, at most {FILE_NAME_CHARACTERS_MAX} characters", _file_name)
HTTP_URL = Rule(
    f"an http or https URL without user and fragment, at most {URL_CHARACTERS_MAX} characters", _http_url
)
