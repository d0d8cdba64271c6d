# SPDX-License-Identifier: Apache-2.0
"""Mobility Headers as the tests of the codec read them."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import pytest

from southbound.codec.errors import DecodeError
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.mobility import Dialect, decode_mobility
from southbound.codec.records import MulticastAddressRecord

SOURCE = IPv6Address("2001:db8:a::1")
DESTINATION = IPv6Address("2001:db8:b::1")
GROUP = IPv6Address("ff1e::101")


def decode(header: bytes, dialect: Dialect = Dialect.RFC, **how: Any) -> Any:
    return decode_mobility(header, SOURCE, DESTINATION, dialect, verify_checksum=False, **how)


def refusal(header: bytes, dialect: Dialect = Dialect.RFC, **how: Any) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode(header, dialect, **how)
    return caught.value


def record(*, sources: int = 0, group: int = 0) -> MulticastAddressRecord:
    return MulticastAddressRecord(
        record_type=Mldv2RecordType.MODE_IS_EXCLUDE,
        group=GROUP + group,
        sources=tuple(SOURCE + index for index in range(sources)),
    )
