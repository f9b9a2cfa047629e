# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told about waits for guests."""

from prometheus_client import Counter

EVIDENCE = Counter("innkeeper_evidence_total", "Looks at vms, by what came of them", ["outcome"])
VERDICTS = Counter("innkeeper_guest_verdicts_total", "Waits for guests that ended badly", ["step", "outcome"])
