# SPDX-License-Identifier: Apache-2.0
"""Where a request begins and ends (RFC 9112), judged line by line before anything reads it.

What two readers of one connection can read in two ways is request smuggling (section 11.2): each leniency of the
parsers below us is one that a proxy before us may not share, so none is left.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from apps.rest.problems import MALFORMED, MISDIRECTED, TOO_LARGE, Problem, quoted

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
"""RFC 9110 section 5.6.2."""
_REQUEST_LINE = re.compile(TOKEN + rb" [^\x00-\x20\x7f]+ HTTP/[0-9]\.[0-9]\r\n")
_FIELD_LINE = re.compile(TOKEN + rb":[^\x00-\x08\x0a-\x1f\x7f]*\r\n")
_FIELD_NAME = re.compile(TOKEN)
_END_OF_FIELDS = b"\r\n"
_LENGTH_DIGITS_MAX = 18
"""Of a Content-Length without its leading zeros; more than any body that is taken, and no work to read."""
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(r"(https?)://([^/?]*)(.*)", re.IGNORECASE)


def judge_request_line(line: bytes) -> None:
    """Method, target and version with one space between (section 3), and CRLF. Raises Problem 400."""
    if not _REQUEST_LINE.fullmatch(line):
        raise Problem(MALFORMED, f"This is not HTTP/1.1: {_shown(line)} is no request line (RFC 9112 section 3).")


def judge_field_line(line: bytes, *, first: bool = False) -> None:
    """One line of the header or trailer section, or its end. Raises Problem 400."""
    if line == _END_OF_FIELDS or _FIELD_LINE.fullmatch(line):
        return
    if line[:1] in (b" ", b"\t"):
        why = "a blank before the first header (RFC 9112 section 2.2)" if first else "a fold (RFC 9112 section 5.2)"
    elif not line.endswith(b"\r\n"):
        why = "a line that does not end in CR LF (RFC 9112 section 2.2)"
    elif (name := _FIELD_NAME.match(line)) and line[name.end() :].lstrip(b" \t").startswith(b":"):
        why = ("a control character (RFC 9110 section 5.5)" if line[name.end() : name.end() + 1] == b":"
               else "a blank before the colon (RFC 9112 section 5.1)")
    else:
        why = "no header (RFC 9112 section 5)"
    raise Problem(MALFORMED, f"Among the headers, {_shown(line)} has {why}; allowed: 'Name: value'.")


def judge_length(lengths: Sequence[str], codings: Sequence[str], version: str) -> str | None:
    """The Content-Length, None for a chunked body or none at all. Raises Problem 400, or 413 for an immense one."""
    if codings:
        if lengths:
            # Section 6.1: a sign of request smuggling.
            raise Problem(MALFORMED, "Content-Length and Transfer-Encoding are not allowed together.")
        if version == "HTTP/1.0":
            raise Problem(MALFORMED, "HTTP/1.0 has no Transfer-Encoding (RFC 9112 section 6.1).")
        if len(codings) > 1 or codings[0].strip(" \t").lower() != "chunked":
            found = quoted(", ".join(codings))
            raise Problem(MALFORMED, f"Transfer-Encoding {found} is not known; allowed: chunked, once.")
        return None
    if not lengths:
        return None
    length = lengths[0].strip(" \t")
    if len(lengths) > 1 or not (length.isascii() and length.isdigit()):
        raise Problem(MALFORMED, "Content-Length is not one whole number.")
    length = length.lstrip("0") or "0"
    if len(length) > _LENGTH_DIGITS_MAX:
        raise Problem(TOO_LARGE, TOO_LARGE.meaning)
    return length


def judge_host(hosts: Sequence[str], version: str) -> None:
    """Section 3.2: one Host header, of a form that a host has; HTTP/1.0 may do without. Raises Problem 400."""
    if len(hosts) > 1 or (not hosts and version != "HTTP/1.0"):
        raise Problem(MALFORMED, "A request has one Host header (RFC 9112 section 3.2).")
    for host in hosts:
        if not _HOST.fullmatch(host.strip(" \t")):
            raise Problem(MALFORMED, f"Host {quoted(host)} is not name or address with a port.")


def split_target(method: str, target: str, *, secure: bool) -> tuple[str, str | None]:
    """Path with query, and the host when the target names one (section 3.2). Raises Problem 400 or 421."""
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        scheme, host, path = absolute.groups()
        if not host or not _HOST.fullmatch(host):
            raise Problem(MALFORMED, f"The target {quoted(target)} has no host with a port.")
        if scheme.lower() == "https" and not secure:
            raise Problem(MISDIRECTED, "An https target came over a connection without TLS (RFC 9110 section 7.4).")
        if not path and method == "OPTIONS":
            return "*", host  # section 3.2.4
        return path if path.startswith("/") else f"/{path}", host
    if target.startswith("/") or (target == "*" and method == "OPTIONS") or method == "CONNECT":
        return target, None
    raise Problem(MALFORMED, f"found target {quoted(target)}; allowed: a path, an http URL, or * for OPTIONS")


def _shown(line: bytes) -> str:
    return quoted(line.decode("latin-1"))
