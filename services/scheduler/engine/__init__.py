# SPDX-License-Identifier: Apache-2.0
"""Decides over all hosts at once: the rules of a policy as operations on columns, scores kept in between."""
