# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a lab, said in one line together with the mend."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot be built, found or used. `mend` is what the operator can do about it (may be empty)."""

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(f"{problem.removesuffix('.')}; {mend}" if mend else problem)
        self.problem = problem
        self.mend = mend
