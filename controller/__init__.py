# SPDX-License-Identifier: Apache-2.0
"""The local mobility anchor. Pure: events and `now` in, commands out; no I/O, no clock, no Ryu."""
