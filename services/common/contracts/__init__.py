# SPDX-License-Identifier: Apache-2.0
"""Pure data and pure decisions: no I/O, no clock, no framework."""
