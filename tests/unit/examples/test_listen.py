# SPDX-License-Identifier: Apache-2.0
"""examples/listen.py: what it counts. That it hears send.py is seen in the lab (test_documents_in_the_lab.py)."""

from __future__ import annotations

import pytest

from tests.support.example_module import load_example


@pytest.mark.parametrize(("numbers", "said"), [
    ([], "0 received, 0 lost, 0 twice, 0 out of order"),
    ([7, 8, 9], "3 received, 0 lost, 0 twice, 0 out of order"),
    ([7, 9], "2 received, 1 lost, 0 twice, 0 out of order"),
    ([7, 9, 8], "3 received, 0 lost, 0 twice, 1 out of order"),
    ([7, 8, 8, 7], "4 received, 0 lost, 2 twice, 0 out of order"),
    ([7, 9, 8, 8], "4 received, 0 lost, 1 twice, 1 out of order"),
    ([7, 6], "2 received, 0 lost, 1 twice, 0 out of order"),
])
def test_what_is_counted(numbers: list[int], said: str) -> None:
    account = load_example("listen").Account()
    for number in numbers:
        account.take(number)
    assert str(account) == said


def test_both_speak_of_the_same_port() -> None:
    assert load_example("send").PORT == load_example("listen").PORT
