# SPDX-License-Identifier: Apache-2.0
"""File formats more than one service writes."""
