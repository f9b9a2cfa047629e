# SPDX-License-Identifier: Apache-2.0
"""Kills everything in the middle of creates, then lets a checker that trusts nobody count what is left."""
