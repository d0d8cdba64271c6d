# SPDX-License-Identifier: Apache-2.0
"""HandoverInitiate and HandoverAcknowledge in both dialects, and the MN's HO-Initiate. Options come from `options`.

`message_data` is what follows the checksum of the Mobility Header (octet 6 on) up to the options.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Self

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import EncodeError
from southbound.codec.iana import (
    DraftHandoverInitiateCode,
    HandoverAcknowledgeCode,
    HandoverInitiateCode,
    MobilityHeaderType,
)
from southbound.codec.multicast_options import MulticastMobility, UnreadableMulticastMobility
from southbound.codec.options import MobilityOption

_INITIATE_BUFFER, _INITIATE_PROXY, _INITIATE_FORWARD = 0x40, 0x20, 0x10
_ACKNOWLEDGE_BUFFER, _ACKNOWLEDGE_PROXY, _ACKNOWLEDGE_FORWARD = 0x80, 0x40, 0x20
_DRAFT_BUFFER, _DRAFT_FORWARD, _DRAFT_MULTICAST = 0x80, 0x40, 0x20
_REFUSAL = 128


class Dialect(Enum):
    """Which layout a HandoverInitiate has. Nothing on the wire tells: it is configured per peer, never guessed."""

    DRAFT = "draft"
    """draft-hui-multimob-fast-handover, the rest as in draft-ietf-mipshop-pfmipv6-00."""
    RFC = "rfc"
    """RFC 5949 with the options of RFC 7411."""


class InitiatePurpose(Enum):
    """What a HandoverInitiate asks or tells. The code that says so differs by dialect: 2 is the one or the other."""

    CONTEXT = "context"
    """Step 2: here is an MN's context; take it."""
    FORWARDING_REQUEST = "forwarding_request"
    """Step 4: start to forward."""
    FORWARDING_COMPLETED = "forwarding_completed"
    """Step 11: forwarding is over."""


_INITIATE_CODES: dict[Dialect, dict[InitiatePurpose, int]] = {
    # RFC 5949 6.1.1: a request is F with the default code; 3 also when the whole context fits into one message.
    Dialect.RFC: {
        InitiatePurpose.CONTEXT: HandoverInitiateCode.ALL_CONTEXT_TRANSFERRED,
        InitiatePurpose.FORWARDING_REQUEST: HandoverInitiateCode.DEFAULT,
        InitiatePurpose.FORWARDING_COMPLETED: HandoverInitiateCode.FORWARDING_COMPLETED,
    },
    # pfmipv6-00 6.1.1: the code is 0 unless F is set.
    Dialect.DRAFT: {
        InitiatePurpose.CONTEXT: DraftHandoverInitiateCode.DEFAULT,
        InitiatePurpose.FORWARDING_REQUEST: DraftHandoverInitiateCode.FORWARDING_REQUESTED,
        InitiatePurpose.FORWARDING_COMPLETED: DraftHandoverInitiateCode.FORWARDING_COMPLETED,
    },
}


def initiate_code(dialect: Dialect, purpose: InitiatePurpose) -> int:
    """The Code to send for this purpose. With FORWARDING_* the F flag must be set, too."""
    return _INITIATE_CODES[dialect][purpose]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverInitiate:
    """MH type 14.

    rfc (RFC 5949 6.1.1), options from octet 10:
        6                 8         9
        | Sequence # (16) |S|U|P|F|rrrr| Code |
    draft (section 5, Figure 3), options from octet 12:
        6      7             8               10
        | Code |U|F|M|rrrrr  | Reserved (16) | Identifier (16) |
    """

    TYPE: ClassVar[MobilityHeaderType] = MobilityHeaderType.HANDOVER_INITIATE

    dialect: Dialect
    sequence: int
    """Sequence # (rfc) or Identifier (draft), 16 bits; the answer repeats it."""
    code: int = 0
    """HandoverInitiateCode (rfc) or DraftHandoverInitiateCode (draft): see `purpose` and `initiate_code`."""
    buffer: bool = False
    """U: buffer what comes for the MN."""
    forward: bool = False
    """F: forward, or with the code for it: forwarding is over."""
    multicast: bool = False
    """M: the options carry multicast state. draft: a bit, which must agree with the options when sent. rfc has no bit:
    set on receipt when option 60 is there, not looked at when sent."""
    proxy: bool = False
    """P; rfc only. MUST be 1 in every PMIPv6 message (RFC 5949 6.1.1), so 0 is received but never sent."""
    options: tuple[MobilityOption, ...] = ()

    @property
    def purpose(self) -> InitiatePurpose:
        """What F and Code say in this dialect."""
        if not self.forward:
            return InitiatePurpose.CONTEXT
        if self.code == initiate_code(self.dialect, InitiatePurpose.FORWARDING_COMPLETED):
            return InitiatePurpose.FORWARDING_COMPLETED
        return InitiatePurpose.FORWARDING_REQUEST

    @classmethod
    def options_offset(cls, dialect: Dialect) -> int:
        return 10 if dialect is Dialect.RFC else 12

    @classmethod
    def decode(cls, data: Cursor, options: tuple[MobilityOption, ...], dialect: Dialect) -> Self:
        if dialect is Dialect.RFC:
            sequence, flags, code = data.u16("sequence"), data.u8("flags"), data.u8("code")
            return cls(
                dialect=dialect,
                sequence=sequence,
                code=code,
                buffer=bool(flags & _INITIATE_BUFFER),
                forward=bool(flags & _INITIATE_FORWARD),
                multicast=_carry_multicast_state(options),
                proxy=bool(flags & _INITIATE_PROXY),
                options=options,
            )
        code, flags = data.u8("code"), data.u8("flags")
        data.u16("reserved")
        return cls(
            dialect=dialect,
            sequence=data.u16("identifier"),
            code=code,
            buffer=bool(flags & _DRAFT_BUFFER),
            forward=bool(flags & _DRAFT_FORWARD),
            multicast=bool(flags & _DRAFT_MULTICAST),
            options=options,
        )

    def encode_message_data(self) -> bytes:
        sequence, code = unsigned(self.sequence, 2, "sequence"), unsigned(self.code, 1, "code")
        if self.dialect is Dialect.RFC:
            if not self.proxy:
                raise EncodeError("proxy", "P is 1 in every PMIPv6 message (RFC 5949)")
            flags = (
                (_INITIATE_BUFFER if self.buffer else 0)
                | (_INITIATE_PROXY if self.proxy else 0)
                | (_INITIATE_FORWARD if self.forward else 0)
            )
            return sequence + bytes((flags,)) + code
        if self.proxy:
            raise EncodeError("proxy", "the draft dialect has no P flag")
        if self.multicast != _carry_multicast_state(self.options):
            raise EncodeError("multicast", f"M is {self.multicast}, the options say {not self.multicast}")
        flags = (
            (_DRAFT_BUFFER if self.buffer else 0)
            | (_DRAFT_FORWARD if self.forward else 0)
            | (_DRAFT_MULTICAST if self.multicast else 0)
        )
        return code + bytes((flags, 0, 0)) + sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverAcknowledge:
    """MH type 15. Its flag bits are not those of the HandoverInitiate, and the draft dialect has none.

    rfc (RFC 5949 6.1.2), options from octet 10:
        6                 8          9
        | Sequence # (16) |U|P|F|rrrrr| Code |
    draft (pfmipv6-00 6.1.2), options from octet 12:
        6      7          8               10
        | Code | Reserved | Reserved (16) | Identifier (16) |
    """

    TYPE: ClassVar[MobilityHeaderType] = MobilityHeaderType.HANDOVER_ACKNOWLEDGE

    dialect: Dialect
    sequence: int
    """Sequence # (rfc) or Identifier (draft) of the HandoverInitiate that this answers."""
    code: HandoverAcknowledgeCode = HandoverAcknowledgeCode.ACCEPTED
    buffer: bool = False
    """U; rfc only."""
    forward: bool = False
    """F; rfc only."""
    proxy: bool = False
    """P; rfc only, see HandoverInitiate.proxy."""
    options: tuple[MobilityOption, ...] = ()

    @property
    def accepted(self) -> bool:
        """Codes from 128 refuse (RFC 5949 6.1.2); unknown codes below count as success."""
        return self.code < _REFUSAL

    @classmethod
    def options_offset(cls, dialect: Dialect) -> int:
        return 10 if dialect is Dialect.RFC else 12

    @classmethod
    def decode(cls, data: Cursor, options: tuple[MobilityOption, ...], dialect: Dialect) -> Self:
        if dialect is Dialect.RFC:
            sequence, flags, code = data.u16("sequence"), data.u8("flags"), data.u8("code")
            return cls(
                dialect=dialect,
                sequence=sequence,
                code=HandoverAcknowledgeCode(code),
                buffer=bool(flags & _ACKNOWLEDGE_BUFFER),
                forward=bool(flags & _ACKNOWLEDGE_FORWARD),
                proxy=bool(flags & _ACKNOWLEDGE_PROXY),
                options=options,
            )
        code = data.u8("code")
        data.take(3, "reserved")
        sequence = data.u16("identifier")
        return cls(dialect=dialect, sequence=sequence, code=HandoverAcknowledgeCode(code), options=options)

    def encode_message_data(self) -> bytes:
        sequence, code = unsigned(self.sequence, 2, "sequence"), unsigned(self.code, 1, "code")
        if self.dialect is Dialect.RFC:
            if not self.proxy:
                raise EncodeError("proxy", "P is 1 in every PMIPv6 message (RFC 5949)")
            flags = (
                (_ACKNOWLEDGE_BUFFER if self.buffer else 0)
                | (_ACKNOWLEDGE_PROXY if self.proxy else 0)
                | (_ACKNOWLEDGE_FORWARD if self.forward else 0)
            )
            return sequence + bytes((flags,)) + code
        if self.buffer or self.forward or self.proxy:
            raise EncodeError("flags", "the draft dialect's HandoverAcknowledge has no flags")
        return code + bytes(3) + sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverIndication:
    """MH type 11 (experimental, RFC 5096): the draft's HO-Initiate, from the MN on its access link to the p-MAG.

    Options from octet 8: MobileNodeIdentifier and NewMagIdentifier.
        6                 8
        | Sequence # (16) |
    """

    TYPE: ClassVar[MobilityHeaderType] = MobilityHeaderType.EXPERIMENTAL

    sequence: int
    options: tuple[MobilityOption, ...] = ()

    @classmethod
    def options_offset(cls, dialect: Dialect) -> int:  # noqa: ARG003  (the same in both)
        return 8

    @classmethod
    def decode(cls, data: Cursor, options: tuple[MobilityOption, ...], dialect: Dialect) -> Self:  # noqa: ARG003
        return cls(sequence=data.u16("sequence"), options=options)

    def encode_message_data(self) -> bytes:
        return unsigned(self.sequence, 2, "sequence")


def _carry_multicast_state(options: tuple[MobilityOption, ...]) -> bool:
    return any(isinstance(option, (MulticastMobility, UnreadableMulticastMobility)) for option in options)
