# SPDX-License-Identifier: Apache-2.0
"""The platform: every service, and what they share."""
