# SPDX-License-Identifier: Apache-2.0
"""What `castover --version` says, and an agent says of itself to the controller. pyproject.toml says the same."""

VERSION = "0.1.0"
