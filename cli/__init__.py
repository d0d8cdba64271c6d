# SPDX-License-Identifier: Apache-2.0
"""The `castover` command: all of them put together, and those that speak to a running controller or read a file only."""
