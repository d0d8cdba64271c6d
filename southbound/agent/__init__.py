# SPDX-License-Identifier: Apache-2.0
"""The MAG's agent (RFC 5213 section 6): pure machines here, all sockets in `adapters`, the process in `__main__`."""
