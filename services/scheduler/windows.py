# SPDX-License-Identifier: Apache-2.0
"""Over what times hosts tell the 95th percentile of their CPU load, as policies name them."""

from collections.abc import Mapping

SHORT = "5m"
WINDOWS: Mapping[str, str] = {SHORT: "cpu_p95_5m", "1h": "cpu_p95_1h"}  # the field of HostView, and the table's column
