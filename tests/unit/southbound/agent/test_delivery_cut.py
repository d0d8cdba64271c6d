# SPDX-License-Identifier: Apache-2.0
"""Where the MN stopped hearing the p-MAG, by digests; here single letters stand for digests."""

from __future__ import annotations

import pytest

from southbound.agent.delivery_cut import STRANGERS, DeliveredWord


def word(named: str, *, expires: float = 10.0, packets: int = 100) -> DeliveredWord:
    return DeliveredWord([letter.encode() for letter in named], expires=expires, packets=packets)


def here(letters: str) -> list[bytes]:
    return [letter.encode() for letter in letters]


@pytest.mark.parametrize(
    ("named", "sequence", "had"),
    [
        ("abc", "abcdef", "abc"),
        ("abc", "cdef", "c"),
        ("abc", "xabcde", "xabc"),
        ("abc", "xab", "xab"),
        ("abc", "def", None),
        ("abc", "abde", "ab"),  # c was lost on the way here.
        ("abc", "", None),
        ("", "abc", None),
        ("xss", "xsssy", "xss"),  # Equal packets next to one that is unique.
        ("sss", "ssss", None),  # Nothing to go by: rather a copy than a loss.
        ("stst", "ststst", "st"),  # Several places fit: the one that drops least.
        ("ssttuu", "xxsstt", "xxsstt"),  # The rest is under way.
        ("ss", "xsy", None),
        ("sxs", "asxsb", "asxs"),
    ],
)
def test_last_packet_had(named: str, sequence: str, had: str | None) -> None:
    position = word(named).last_had(here(sequence))
    assert (None if position is None else sequence[: position + 1]) == had


def test_rest_of_the_word_is_named_when_it_comes() -> None:
    heard = word("abcd")
    assert heard.last_had(here("xab")) == 2
    assert heard.outstanding == (b"c", b"d")
    assert heard.names(b"c", unique=True, now=0.0)
    assert heard.names(b"d", unique=True, now=0.0)
    assert not heard.names(b"d", unique=False, now=0.0)


def test_word_that_has_overtaken_the_packets() -> None:
    heard = word("abc")
    assert heard.last_had(here("x")) is None
    assert heard.may_match(0.0)
    assert not heard.names(b"y", unique=True, now=0.0)
    assert heard.names(b"b", unique=True, now=0.0)
    assert heard.matched


def test_equal_packets_fix_no_place() -> None:
    heard = word("aab")
    assert not heard.names(b"a", unique=True, now=0.0)
    assert not heard.names(b"b", unique=False, now=0.0)


def test_word_ends_by_age() -> None:
    heard = word("ab", expires=1.0)
    assert not heard.names(b"a", unique=True, now=1.0)
    heard = word("ab", expires=1.0)
    assert heard.names(b"a", unique=True, now=0.5)
    assert not heard.names(b"b", unique=True, now=1.0)


def test_word_ends_by_number() -> None:
    heard = word("ab", packets=2)
    assert not heard.names(b"x", unique=True, now=0.0)
    assert not heard.names(b"y", unique=True, now=0.0)
    assert not heard.names(b"a", unique=True, now=0.0)
    heard = word("ab")
    assert heard.names(b"a", unique=True, now=0.0)
    for _ in range(STRANGERS + 1):
        assert not heard.names(b"x", unique=True, now=0.0)
    assert not heard.names(b"b", unique=True, now=0.0)


def test_only_the_newest_sixteen_count() -> None:
    assert word("abcdefghijklmnopqrstuvwxyz").named == tuple(here("klmnopqrstuvwxyz"))
