# SPDX-License-Identifier: Apache-2.0
"""A PMIPv6 domain on one machine: network namespaces and Open vSwitch, built from the topology model."""
