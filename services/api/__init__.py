# SPDX-License-Identifier: Apache-2.0
"""The front door: one HTTP API, described by one table of routes (routes/__init__.py)."""
