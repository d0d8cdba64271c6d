# SPDX-License-Identifier: Apache-2.0
"""The proof that a predictive handover loses, doubles and reorders nothing: `castover bench exactly-once`."""
