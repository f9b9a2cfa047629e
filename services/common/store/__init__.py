# SPDX-License-Identifier: Apache-2.0
"""The database: the truth about what was asked for, how far it has come, and what was promised to whom."""
