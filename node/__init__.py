# SPDX-License-Identifier: Apache-2.0
"""One node on a host of its own: its Open vSwitch compared with what is needed, its agent, the controller."""
