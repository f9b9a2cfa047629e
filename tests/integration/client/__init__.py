# SPDX-License-Identifier: Apache-2.0
"""`inn` against a real api; a package, so that the stack its tests share ends with the last of them."""
