# SPDX-License-Identifier: Apache-2.0
"""The floating-point codes of an MLDv2 or IGMPv3 Query (RFC 3810 5.1.3 and 5.1.9, RFC 3376 4.1.1 and 4.1.7).

    | 1 | exponent (3) | mantissa (12 or 4) |   value = (mantissa | 1 << mantissa bits) << (exponent + 3)

Codes without the first bit are the value itself.
"""

from __future__ import annotations

from southbound.codec.errors import EncodeError

_EXPONENT_BITS = 3
_EXPONENT_BIAS = 3


def decode_code(code: int, *, mantissa_bits: int) -> int:
    """The value of a code: Maximum Response Code has 12 mantissa bits, QQIC has 4."""
    if code < 1 << mantissa_bits + _EXPONENT_BITS:
        return code
    mantissa = code & (1 << mantissa_bits) - 1
    exponent = code >> mantissa_bits & (1 << _EXPONENT_BITS) - 1
    return (mantissa | 1 << mantissa_bits) << exponent + _EXPONENT_BIAS


def encode_code(value: int, *, mantissa_bits: int, field: str) -> int:
    """The code of the largest representable value not above `value`. EncodeError below 0 or above the largest code.

    Rounding down makes a timer that listeners must keep shorter, never longer than was asked.
    """
    linear_end = 1 << mantissa_bits + _EXPONENT_BITS
    if value < 0:
        raise EncodeError(field, f"{value} is negative")
    if value < linear_end:
        return value
    exponent = value.bit_length() - 1 - mantissa_bits - _EXPONENT_BIAS
    if exponent >= 1 << _EXPONENT_BITS:
        raise EncodeError(field, f"{value} is beyond the largest value of its code")
    mantissa = value >> exponent + _EXPONENT_BIAS & (1 << mantissa_bits) - 1
    return linear_end | exponent << mantissa_bits | mantissa
