# SPDX-License-Identifier: Apache-2.0
"""Who may do what: bearer tokens (RFC 6750) with roles, and which Host a request may name where no token is asked for."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from apps.rest.problems import FORBIDDEN, MALFORMED, MISDIRECTED, UNAUTHORIZED, Problem, quoted

REALM = "castover"
_TOKEN = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*) *")
"""RFC 6750 section 2.1."""


class Role(Enum):
    """What a token allows; each allows what comes before it."""

    READ = "read"
    TRIGGER = "trigger"

    def allows(self, wanted: Role) -> bool:
        """Whether a token of this role may do what asks for `wanted`."""
        order = list(Role)
        return order.index(self) >= order.index(wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One client: its name, for logs, and the SHA-256 of its token. The token itself is not kept."""

    name: str
    role: Role
    sha256: bytes


class Access:
    """The tokens of one controller. Without any, everybody may do everything."""

    def __init__(self, tokens: Sequence[Token] = ()) -> None:
        self._tokens = tuple(tokens)

    @property
    def required(self) -> bool:
        """Whether a token is asked for."""
        return bool(self._tokens)

    def role_of(self, name: str) -> Role:
        """What the token that `judge` has named allows."""
        return next((token.role for token in self._tokens if token.name == name), Role.TRIGGER)

    def judge(self, authorization: str | None, wanted: Role) -> str:
        """The name of the token in an Authorization header. Raises Problem 401 or 403, which say what is asked for."""
        if not self._tokens:
            return ""
        if authorization is None:
            raise _unauthorized("This resource asks for a bearer token.", "")
        presented = _TOKEN.fullmatch(authorization)
        if presented is None:
            raise _unauthorized("The Authorization header is not 'Bearer TOKEN' (RFC 6750).", "invalid_request")
        token = self._find(presented[1])
        if token is None:
            raise _unauthorized("The token is not known.", "invalid_token")
        if not token.role.allows(wanted):
            detail = f"token {token.name!r} has the role {token.role.value}; this asks for {wanted.value}"
            challenge = _challenge("insufficient_scope", f', scope="{wanted.value}"')
            raise Problem(FORBIDDEN, detail, headers={"WWW-Authenticate": challenge})
        return token.name

    def _find(self, presented: str) -> Token | None:
        digest = hashlib.sha256(presented.encode()).digest()
        # All are compared, each in constant time: how long it takes says nothing about which one was near.
        matching = [token for token in self._tokens if hmac.compare_digest(token.sha256, digest)]
        return matching[0] if matching else None


def _unauthorized(detail: str, error: str) -> Problem:
    return Problem(UNAUTHORIZED, detail, headers={"WWW-Authenticate": _challenge(error)})


def _challenge(error: str, more: str = "") -> str:
    said = f', error="{error}"' if error else ""
    return f'Bearer realm="{REALM}"{said}{more}'


class Hosts:
    """Which Host headers are answered where no token is asked for.

    Against DNS rebinding: a page of a strange site in a browser on this machine may have its own name point to
    127.0.0.1, and would then be of the same origin. An address or a name of ours is nothing that such a page has.
    """

    def __init__(self, own: Sequence[str] = ()) -> None:
        self._own = frozenset(name.lower() for name in (*own, "localhost"))

    def judge(self, host: str | None) -> None:
        """Raises Problem 400 or 421 (RFC 9110 section 15.5.20)."""
        if host is None:
            return  # HTTP/1.0; browsers do not speak it
        parsed = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::\d{0,5})?", host)
        if parsed is None:
            raise Problem(MALFORMED, f"Host {quoted(host)} is not name or address with a port.")
        name = parsed[1].strip("[]").rstrip(".").lower()
        if name not in self._own and not _is_address(name):
            detail = f"This server is not {quoted(name)}; without tokens it is reached by address or as localhost."
            raise Problem(MISDIRECTED, detail)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
