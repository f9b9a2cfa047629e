# SPDX-License-Identifier: Apache-2.0
"""Keeps jobs moving: relays the outbox, sweeps what is overdue, records what agents report, and reconciles."""
