# SPDX-License-Identifier: Apache-2.0
"""The whole platform as its users have it; a package, so that what its tests share ends with the last of them."""
