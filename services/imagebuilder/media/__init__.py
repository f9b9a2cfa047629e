# SPDX-License-Identifier: Apache-2.0
"""Imported media: fetched by URL, checked against their sha256 while they stream, kept under it."""
