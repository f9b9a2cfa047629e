# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: each prints one object, {"figures": {key: number}}, measured against a floor in the same run."""
