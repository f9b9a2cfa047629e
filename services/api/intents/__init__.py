# SPDX-License-Identifier: Apache-2.0
"""What users want, turned into rows: each intent checks everything and writes in one transaction."""
