# SPDX-License-Identifier: Apache-2.0
"""What single values of topology.yaml may be: the format's version, names, identifiers.

Addresses are in `topology.address_values`, the REST API's configuration in `topology.rest_values`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from topology.rule import RefusedValueError, Rule, plain_text

NODE_NAME_CHARACTERS_MAX = 15
"""Linux interface names have at most 15 characters (IFNAMSIZ - 1); nodes give their names to interfaces."""
DOMAIN_NAME_CHARACTERS_MAX = 32
MOBILE_NODE_NAME_CHARACTERS_MAX = 10
"""Leaves five characters for what is put before or after it in interface names."""
NAI_CHARACTERS_MAX = 253
"""RFC 4282 section 2.2; also fits the one-octet length of the MN-ID option (RFC 4283 section 3)."""
DATAPATH_ID_MAX = 2**64 - 1
GRE_KEY_MAX = 2**32 - 1
OWN_LINK_LAYER_PREFIX = bytes.fromhex("02ca57")
"""Of the path marks (southbound.path_mark) and of the switches' and MAGs' own ports; no mobile node may share it."""

_NODE_NAME = re.compile(r"[a-z][a-z0-9-]*")
_MOBILE_NODE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_INTERFACE_NAME = re.compile(r"[A-Za-z0-9_.@+-]+")
_REALM_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_LINK_LAYER_ID = re.compile(r"[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})")


def _version(value: object) -> int:
    if isinstance(value, bool) or value != 1:
        raise RefusedValueError
    return 1


def _name(characters_max: int) -> Callable[[object], str]:
    def parse(value: object) -> str:
        name = plain_text(value)
        if not _NODE_NAME.fullmatch(name):
            raise RefusedValueError
        if len(name) > characters_max:
            raise RefusedValueError(f"{len(name)} characters")
        return name

    return parse


def _interface_name(value: object) -> str:
    name = plain_text(value)
    if not _INTERFACE_NAME.fullmatch(name) or name in (".", ".."):
        raise RefusedValueError
    if len(name) > NODE_NAME_CHARACTERS_MAX:
        raise RefusedValueError(f"{len(name)} characters")
    return name


def _datapath_id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RefusedValueError
    if not 1 <= value <= DATAPATH_ID_MAX:
        raise RefusedValueError
    return value


def _nai(value: object) -> str:
    nai = plain_text(value)
    if len(nai) > NAI_CHARACTERS_MAX:
        raise RefusedValueError
    user, at, realm = nai.partition("@")
    labels = realm.split(".")
    # RFC 4282 section 2.1: the realm has at least two labels.
    if not at or len(labels) < 2 or not all(_REALM_LABEL.fullmatch(label) for label in labels):
        raise RefusedValueError
    if not _MOBILE_NODE_NAME.fullmatch(user):
        raise RefusedValueError
    if len(user) > MOBILE_NODE_NAME_CHARACTERS_MAX:
        raise RefusedValueError(f"{len(user)} characters before '@'")
    return nai


def _link_layer_id(value: object) -> bytes:
    text = plain_text(value)
    if not _LINK_LAYER_ID.fullmatch(text):
        raise RefusedValueError
    octets = bytes.fromhex(text.replace(":", "").replace("-", ""))
    if not any(octets):
        raise RefusedValueError("all zero")
    if octets[0] & 1:
        raise RefusedValueError("a multicast address")
    if octets.startswith(OWN_LINK_LAYER_PREFIX):
        raise RefusedValueError("one of Castover's own")
    return octets


VERSION = Rule("1, the version of this format", _version)
DOMAIN_NAME = Rule(
    f"a name of 1 to {DOMAIN_NAME_CHARACTERS_MAX} characters a-z, 0-9 and '-', starting with a letter",
    _name(DOMAIN_NAME_CHARACTERS_MAX),
)
NODE_NAME = Rule(
    f"a name of 1 to {NODE_NAME_CHARACTERS_MAX} characters a-z, 0-9 and '-', starting with a letter",
    _name(NODE_NAME_CHARACTERS_MAX),
)
DATAPATH_ID = Rule("a number from 0x1 to 0xffffffffffffffff, such as 0x11", _datapath_id)
NAI = Rule(
    f"user@realm (RFC 4283): a user of 1 to {MOBILE_NODE_NAME_CHARACTERS_MAX} characters A-Z, a-z, 0-9, '_', '.' and "
    f"'-' starting with a letter, a realm such as example.net, at most {NAI_CHARACTERS_MAX} characters",
    _nai,
)
LINK_LAYER_ID = Rule("six octets of a unicast MAC address, such as 02:00:00:00:00:11, not 02:ca:57:...", _link_layer_id)
CLIENT_NAME = Rule(
    f"a name of 1 to {DOMAIN_NAME_CHARACTERS_MAX} characters a-z, 0-9 and '-', starting with a letter",
    _name(DOMAIN_NAME_CHARACTERS_MAX),
)
INTERFACE_NAME = Rule(
    f"the name of a bridge or network interface: 1 to {NODE_NAME_CHARACTERS_MAX} letters, digits, '_', '.', '@', '+', '-'",
    _interface_name,
)
NAME_OF_MOBILE_NODE = Rule("the short name of a mobile node", plain_text)
NAME_OF_MAG = Rule("the id of a MAG", plain_text)
NAME_OF_NODE = Rule("the id of the LMA or of a MAG", plain_text)
