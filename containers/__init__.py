# SPDX-License-Identifier: Apache-2.0
"""The nodes of a domain as containers (docker-compose.yml), and hands on them from a container beside them."""
