# SPDX-License-Identifier: Apache-2.0
"""A host that exists only in memory and one state file; passes the same contract tests as the real ones."""
