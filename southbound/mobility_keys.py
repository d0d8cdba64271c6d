# SPDX-License-Identifier: Apache-2.0
"""The file that `domain.mobility_key_file` names: who shares which key. Read once, when a process starts.

One key a line, `#` begins a comment:

    KEY             of the domain: every pair of nodes derives its own from it
    NODE NODE KEY   of these two alone, in place of what they would derive

NODE is the id of the LMA or of a MAG, KEY 64 hexadecimal digits. A second line for the same is the second key: accepted,
and not used for signing.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

from southbound.codec.authenticator import pair_key
from southbound.mobility_authentication import KEYS_MAX, Keys, MobilityAuthentication
from topology.model import Domain, Lma, Mag

KEY_DIGITS = 64
"""32 octets, as long as the digest (RFC 2104 section 3)."""
FILE_OCTETS_MAX = 1 << 20
_KEY = re.compile(f"[0-9A-Fa-f]{{{KEY_DIGITS}}}")
_PATH = "domain.mobility_key_file"
_FORM = f"KEY or NODE NODE KEY, KEY of {KEY_DIGITS} hexadecimal digits"

_Pair = frozenset[str]
_DOMAIN: _Pair = frozenset()


_UTF_8_BOM = b"\xef\xbb\xbf"


class MobilityKeysError(Exception):
    """The file is of no use; the message says where, what was found, what is allowed. It never shows a key."""


class _MissingError(MobilityKeysError):
    """It may be of use to another node."""


def read_mobility_authentication(domain: Domain, node: Lma | Mag, topology: Path) -> MobilityAuthentication | None:
    """Of this node; None when the domain names no file. Raises MobilityKeysError.

    Names of files are relative to the folder of topology.yaml.
    """
    if domain.mobility_key_file is None:
        return None
    file = topology.parent / domain.mobility_key_file
    lines = _Lines(domain, file)
    exempt = {mag.id for mag in domain.mags if not mag.mobility_authentication}
    keys: dict[IPv6Address, Keys] = {}
    without: set[IPv6Address] = set()
    missing: list[str] = []
    for peer in _peers(domain, node):
        if exempt & {node.id, peer.id}:
            without.add(peer.address)
            continue
        found = lines.keys_of(node, peer)
        if not found:
            missing.append(peer.id)
        keys[peer.address] = found
    if missing:
        raise _MissingError(
            f"{_PATH}: found no key of {node.id} with {', '.join(missing)} in {file}; allowed: a line for each pair of "
            "nodes, or a key of the domain"
        )
    return MobilityAuthentication(own=node.address, keys=keys, without=frozenset(without))


def judge_mobility_keys(domain: Domain, topology: Path, *, of_all: bool) -> list[str]:
    """What an operator is to be told of a file that is there, before any process reads it; nothing where all is well.

    Raises MobilityKeysError where no process would start with it; with `of_all` where any would not, as on a host of all
    nodes. A file of one node has lines of its own pairs alone.
    """
    told: list[str] = []
    good: list[str] = []
    first: MobilityKeysError | None = None
    nodes: list[Lma | Mag] = [domain.lma, *domain.mags]
    for node in nodes:
        try:
            read_mobility_authentication(domain, node, topology)
        except MobilityKeysError as error:
            if of_all or not isinstance(error, _MissingError):
                raise
            first = first or error
        else:
            if isinstance(node, Lma) or node.mobility_authentication:
                good.append(node.id)
    if first is not None and not good:
        raise first
    if first is not None:
        told.append(f"{_PATH}: enough keys for {', '.join(good)} alone")
    if domain.mobility_key_file is not None:
        file = topology.parent / domain.mobility_key_file
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & stat.S_IRWXO:
            told.append(f"{_PATH}: {file} has mode {mode:04o}, open to anybody on this host; chmod o= {file}")
    return told


def _peers(domain: Domain, node: Lma | Mag) -> Iterator[Lma | Mag]:
    if node.id != domain.lma.id:
        yield domain.lma
    yield from (mag for mag in domain.mags if mag.id != node.id)


class _Lines:
    """What the file says, judged line by line."""

    def __init__(self, domain: Domain, file: Path) -> None:
        self._nodes = {domain.lma.id, *(mag.id for mag in domain.mags)}
        self._file = file
        self._keys: dict[_Pair, list[bytes]] = {}
        for number, line in enumerate(_text(file).splitlines(), start=1):
            words = line.partition("#")[0].split()
            if words:
                self._take(words, number)

    def keys_of(self, one: Lma | Mag, other: Lma | Mag) -> Keys:
        own = self._keys.get(frozenset({one.id, other.id}))
        if own is not None:
            return tuple(own)
        return tuple(pair_key(key, one.address, other.address) for key in self._keys.get(_DOMAIN, ()))

    def _take(self, words: list[str], number: int) -> None:
        *names, key = words
        if len(names) not in (0, 2):
            raise self._refused(number, f"{len(words)} words", _FORM)
        if not _KEY.fullmatch(key):
            raise self._refused(number, f"a key of {len(key)} characters", _FORM)
        for name in names:
            if name not in self._nodes:
                raise self._refused(number, repr(name[:60]), f"one of {', '.join(sorted(self._nodes))}")
        pair = frozenset(names)
        if len(pair) == 1:
            raise self._refused(number, f"{names[0]} twice", "two nodes")
        known = self._keys.setdefault(pair, [])
        octets = bytes.fromhex(key)
        if not any(octets):
            raise self._refused(number, "a key of zeros only", "one that nobody can guess")
        if octets in known:
            raise self._refused(number, "the same key again", "each key once")
        if len(known) == KEYS_MAX:
            raise self._refused(number, f"key {KEYS_MAX + 1} of the same nodes", f"at most {KEYS_MAX}, the first one signs")
        known.append(octets)

    def _refused(self, number: int, found: str, allowed: str) -> MobilityKeysError:
        return MobilityKeysError(f"{_PATH}: {self._file}:{number}: found {found}; allowed: {allowed}")


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            octets = opened.read(FILE_OCTETS_MAX + 1)
    except OSError as error:
        reason = (error.strerror or "an error").lower()
        raise MobilityKeysError(f"{_PATH}: found {file}, {reason}; allowed: a file that can be read") from error
    if len(octets) > FILE_OCTETS_MAX:
        raise MobilityKeysError(f"{_PATH}: found more than {FILE_OCTETS_MAX} octets in {file}; allowed: {_FORM}")
    if octets.startswith(_UTF_8_BOM):
        raise MobilityKeysError(f"{_PATH}: {file}:1: found a byte order mark before the line; allowed: {_FORM}")
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise MobilityKeysError(f"{_PATH}: found {file}, which is not UTF-8; allowed: {_FORM}") from error
