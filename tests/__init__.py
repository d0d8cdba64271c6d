# SPDX-License-Identifier: Apache-2.0
"""A regular package, so that no other package called tests is found instead."""
