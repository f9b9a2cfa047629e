# SPDX-License-Identifier: Apache-2.0
"""Chooses a host for every vm, holds the capacity there, and explains why."""
