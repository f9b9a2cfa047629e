# SPDX-License-Identifier: Apache-2.0
"""What runs while container images are built, and what asks in a container whether its service lives."""
