# SPDX-License-Identifier: Apache-2.0
"""Intents -> rules -> OpenFlow 1.5 messages, and the reconciling of one switch with what is wanted of it."""
