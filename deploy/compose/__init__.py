# SPDX-License-Identifier: Apache-2.0
"""What deploy/compose.yaml needs beside it."""
