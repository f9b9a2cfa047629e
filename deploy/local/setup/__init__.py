# SPDX-License-Identifier: Apache-2.0
"""The bootstrap's parts: standard library only, since they run before there is a virtual environment."""
