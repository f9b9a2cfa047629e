# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told about waits for guests, and about watts."""

from prometheus_client import Counter, Gauge

EVIDENCE = Counter("innkeeper_evidence_total", "Looks at vms, by what came of them", ["outcome"])
VERDICTS = Counter("innkeeper_guest_verdicts_total", "Waits for guests that ended badly", ["step", "outcome"])
HOST_WATTS = Gauge("innkeeper_host_watts", "Power a host draws", ["host", "source"])
VM_WATTS = Gauge("innkeeper_vm_watts", "A vm's part of what its host draws, of the thirstiest ones", ["vm", "project"])
OTHER_VM_WATTS = Gauge("innkeeper_other_vm_watts", "What the vms that are not told one by one draw together")
PROJECT_WATTS = Gauge("innkeeper_project_watts", "What a project's vms draw together", ["project"])
HOSTS = Gauge("innkeeper_hosts", "Hosts by state", ["state"])
