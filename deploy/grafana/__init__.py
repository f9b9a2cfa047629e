# SPDX-License-Identifier: Apache-2.0
"""Grafana dashboards, written in Python and kept as the JSON that Grafana reads."""
