# SPDX-License-Identifier: Apache-2.0
"""Writes the installation image: masters made once, a seed made for each vm, and the server hosts fetch them from."""
