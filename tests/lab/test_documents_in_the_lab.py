# SPDX-License-Identifier: Apache-2.0
"""The commands of the documents that need a lab: the README, the tutorial, then the guides, as a reader follows them.

All of them in network namespaces of their own, so that a lab that is up here is not met, nor a port that is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.requirements import missing_requirement
from tests.support.documents import commands, pages
from tests.support.terminal import Terminal, copy_repository, private_ground

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

LAB, BESIDE = "lab", "lab beside"
BUILDS_ITS_OWN = ("README.md", "docs/tutorial/first-handover.md", "docs/tutorial/the-page.md")
WITHOUT_A_LAB = (
    "docs/how-to/own-topology.md", "docs/how-to/secure-the-api.md", "docs/how-to/authenticate-signalling.md",
    # What `make demo` and the tutorial have left.
    "docs/how-to/read-a-capture.md", "docs/reference/demo.md",
)
"""They build their own, beside one that may be up, or read files."""
ENVIRONMENT = {"HANDOVERS": "1", "DIALECT": "draft"}
"""`make demo` as it is, only shorter."""


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder = copy_repository(tmp_path_factory.mktemp("documents") / "castover")
    with private_ground() as prefix:
        found = Terminal(folder, prefix, ENVIRONMENT)
        try:
            yield found
        finally:
            try:
                found.close()
            finally:
                # Also when its shell broke: what is up would stay up.
                last = Terminal(folder, prefix)
                try:
                    last.run("./castover lab down --all --force")
                finally:
                    last.close()


@pytest.mark.parametrize("page", pages(LAB, BESIDE), ids=str)
def test_the_commands_of_a_page(terminal: Terminal, page: Path) -> None:
    if str(page) in BUILDS_ITS_OWN:
        assert terminal.run("./castover lab list").output.strip() == "no lab is up"
    elif str(page) not in WITHOUT_A_LAB:
        # What their readers have: a lab as it is when it has come up.
        if terminal.run("./castover lab list").output.strip() == "no lab is up":
            terminal.run("./castover lab up")
        else:
            terminal.run("./castover lab move mn1 mag1; ./castover lab move mn2 mag1")
        terminal.run("unset CASTOVER_URL CASTOVER_TOKEN CASTOVER_CA_FILE")
    try:
        terminal.follow([block for block in commands(page) if block.way])
    finally:
        terminal.end_beside()
    if str(page) in BUILDS_ITS_OWN:
        # Nothing is left, whether the reader takes it down or ends it with Ctrl-C.
        assert terminal.run("./castover lab list").output.strip() == "no lab is up"
