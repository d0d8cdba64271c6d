# SPDX-License-Identifier: Apache-2.0
"""Records in as many reports as they need (RFC 3810 section 5.2.15)."""

from __future__ import annotations

from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from southbound.codec.iana import Mldv2RecordType
from southbound.codec.mld import Mldv2Report
from southbound.codec.mld_packet import encode_mld_packet
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.report_size import reports
from southbound.mld.transitions import REPLACING

LINK_LOCAL = IPv6Address("fe80::1")


def record(record_type: int, number: int, sources: int) -> MulticastAddressRecord:
    return MulticastAddressRecord(
        record_type=Mldv2RecordType(record_type), group=IPv6Address((0xFF1E << 112) + number),
        sources=tuple(IPv6Address((0x20010DB8 << 96) + source) for source in range(sources)),
    )


RECORDS = st.lists(st.builds(record, st.integers(1, 6), st.integers(0, 9), st.integers(0, 200)), max_size=30)


@given(RECORDS)
def test_every_report_fits_into_1280_octets_and_nothing_is_left_out_that_may_be_split(
    records: list[MulticastAddressRecord],
) -> None:
    found = reports(records)
    for one in found:
        assert len(encode_mld_packet(Mldv2Report(records=one), LINK_LOCAL)) <= 1280
    said = [(piece.record_type, piece.group, source) for one in found for piece in one for source in piece.sources]
    wanted = [
        (one.record_type, one.group, source)
        for one in records
        for source in (one.sources[:75] if one.record_type in REPLACING else one.sources)
    ]
    assert said == wanted
    assert [one for report in found for one in report if not one.sources] == [one for one in records if not one.sources]


def test_what_fits_goes_in_one_report() -> None:
    records = [record(4, number, 0) for number in range(61)]
    assert reports(records) == (tuple(records),)
    assert [len(report) for report in reports([*records, record(4, 61, 0)])] == [61, 1]
    assert reports([]) == ()


def test_an_exclude_list_ends_where_the_report_ends() -> None:
    (only,) = reports([record(2, 0, 100)])
    assert [len(piece.sources) for piece in only] == [75]
    assert [[len(piece.sources) for piece in report] for report in reports([record(1, 0, 100)])] == [[75], [25]]
