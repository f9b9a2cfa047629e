# SPDX-License-Identifier: Apache-2.0
"""Rows as the JSON that is shown. No view reads the database."""
