# SPDX-License-Identifier: Apache-2.0
"""The controller's thin edge: Ryu, eventlet and WebOb live here and nowhere else. Start with `python -m apps`."""
