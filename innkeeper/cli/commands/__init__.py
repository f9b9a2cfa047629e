# SPDX-License-Identifier: Apache-2.0
"""One file a noun; each is imported only when its noun is typed."""
