# SPDX-License-Identifier: Apache-2.0
"""Virtomize's image API under /uii, as its published clients speak it: for them, unchanged.

Only 200 counts as success there, errors are sentences, and everything that is no image is JSON.
"""
