# SPDX-License-Identifier: Apache-2.0
"""Images without a vm: ordering one, waiting until it is built, and passing its bytes on."""
