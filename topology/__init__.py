# SPDX-License-Identifier: Apache-2.0
"""The domain as the operator described it: frozen model, loader with all errors at once, policy store.

Stands beside `controller` and `southbound` because both the LMA and the MAG agents read the same file.
"""
