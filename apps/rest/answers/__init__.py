# SPDX-License-Identifier: Apache-2.0
"""What the API answers, as pydantic models: every JSON answer goes through one of them, and the OpenAPI document is made
of them. What a view has that its model does not know is a fault, found by the first test that reads the resource.
"""
