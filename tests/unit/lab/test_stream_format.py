# SPDX-License-Identifier: Apache-2.0
"""Record files and the socket requests that are built by hand."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.stream_format import PAYLOAD_HEADER, Record, RecordList, StreamFormatError, decode_records
from lab.traffic_sink import group_source_request

U64 = st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(U64, U64), max_size=50))
def test_records_survive_the_file(values: list[tuple[int, int]]) -> None:
    records = RecordList()
    for sequence, time_ns in values:
        records.add(sequence, time_ns)
    assert decode_records(records.encode()) == [Record(sequence=s, time_ns=t) for s, t in values]


def test_a_file_is_laid_out_as_documented() -> None:
    records = RecordList()
    records.add(1, 0x0102030405060708)
    assert records.encode().hex() == "43535452" "0100" "0000" "0100000000000000" "0100000000000000" "0807060504030201"


def test_a_payload_is_laid_out_as_documented() -> None:
    assert PAYLOAD_HEADER.pack(1, 2).hex() == "0000000000000001" "0000000000000002"


def test_what_is_too_much_is_counted_and_not_kept() -> None:
    records = RecordList(maximum=2)
    for number in range(5):
        records.add(number, 0)
    assert (len(records), records.not_recorded) == (2, 3)


@given(st.binary(max_size=64))
def test_any_octets_are_records_or_refused(octets: bytes) -> None:
    with contextlib.suppress(StreamFormatError):
        decode_records(octets)


def test_half_a_file_is_refused() -> None:
    records = RecordList()
    records.add(1, 2)
    with pytest.raises(StreamFormatError, match="1 records announced, 15 octets found"):
        decode_records(records.encode()[:-1])


def test_the_source_specific_join_is_laid_out_as_the_c_compiler_does(tmp_path: Path) -> None:
    """RFC 3678 section 5's group_source_req, by the machine's own headers."""
    program = tmp_path / "layout.c"
    program.write_text("""
        #include <stdio.h>
        #include <string.h>
        #include <arpa/inet.h>
        #include <netinet/in.h>
        int main(void) {
            struct group_source_req request;
            memset(&request, 0, sizeof request);
            request.gsr_interface = 7;
            struct sockaddr_in6 *group = (void *)&request.gsr_group, *source = (void *)&request.gsr_source;
            group->sin6_family = source->sin6_family = AF_INET6;
            inet_pton(AF_INET6, "ff3e::8000:1", &group->sin6_addr);
            inet_pton(AF_INET6, "2001:db8:c0::10", &source->sin6_addr);
            for (size_t i = 0; i < sizeof request; i++) printf("%02x", ((unsigned char *)&request)[i]);
        }
    """, encoding="ascii")
    try:
        subprocess.run(["cc", "-o", tmp_path / "layout", program], check=True, timeout=60, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no C compiler on this machine")
    expected = subprocess.run([tmp_path / "layout"], check=True, timeout=10, capture_output=True, text=True).stdout
    found = group_source_request(7, IPv6Address("ff3e::8000:1"), IPv6Address("2001:db8:c0::10"))
    assert found.hex() == expected


def test_the_source_specific_join_is_taken_by_the_kernel() -> None:
    request = group_source_request(
        socket.if_nametoindex("lo"), IPv6Address("ff3e::8000:1"), IPv6Address("2001:db8:c0::10")
    )
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as joining:
        joining.setsockopt(socket.IPPROTO_IPV6, 46, request)
        memberships = Path("/proc/net/mcfilter6").read_text(encoding="ascii")
    assert "20010db800c000000000000000000010" in memberships
