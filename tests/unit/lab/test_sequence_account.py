# SPDX-License-Identifier: Apache-2.0
"""What is counted while a stream comes, against the records counted afterwards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lab import sequence_account
from lab.sequence_account import SequenceAccount


def counted(sequences: list[int]) -> tuple[int, int, int]:
    account = SequenceAccount()
    for sequence in sequences:
        account.take(sequence)
    return account.missing, account.duplicated, account.reordered


def test_a_stream_as_it_should_be() -> None:
    assert counted([]) == (0, 0, 0)
    assert counted([7, 8, 9]) == (0, 0, 0)


def test_what_can_go_wrong() -> None:
    assert counted([0, 1, 5]) == (3, 0, 0)
    assert counted([0, 1, 1, 2, 0]) == (0, 2, 0)
    assert counted([0, 2, 1, 3]) == (0, 0, 1)


@given(st.lists(st.integers(0, 60), min_size=1).map(lambda found: [min(found), *found]))
def test_it_counts_as_one_would_count_afterwards(sequences: list[int]) -> None:
    missing, duplicated, reordered = counted(sequences)
    assert missing == len(set(range(min(sequences), max(sequences))) - set(sequences))
    assert duplicated == len(sequences) - len(set(sequences))
    highest = [max(sequences[:place], default=-1) for place in range(len(sequences))]
    first = [sequences.index(sequence) == place for place, sequence in enumerate(sequences)]
    assert reordered == sum(new and sequence < top for sequence, top, new in zip(sequences, highest, first, strict=True))


def test_memory_is_bounded() -> None:
    account = SequenceAccount()
    account.take(0)
    account.take(10 * sequence_account.MISSING_REMEMBERED)
    assert account.missing == 10 * sequence_account.MISSING_REMEMBERED - 1
    account.take(5)
    assert (account.reordered, account.missing) == (1, 10 * sequence_account.MISSING_REMEMBERED - 2)
