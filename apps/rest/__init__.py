# SPDX-License-Identifier: Apache-2.0
"""The REST API of the controller: `server` serves it, `routing` finds who answers, the other modules are what is said."""
