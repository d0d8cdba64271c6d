# SPDX-License-Identifier: Apache-2.0
"""Octets on the wire <-> frozen dataclasses, with the standard library only and without any I/O.

mobility (Mobility Header) over handover, binding and options; mld_packet over mld; records, ipv6 and ethernet below.
Decoding raises errors.DecodeError and nothing else, encoding errors.EncodeError; accessors read messages.
"""
