# SPDX-License-Identifier: Apache-2.0
"""Runs the steps that talk to hosts: each becomes a command, and the host's report ends it."""
