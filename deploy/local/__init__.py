# SPDX-License-Identifier: Apache-2.0
"""The embedded stack: everything Innkeeper needs, private, on one machine, started and ended by two commands."""
