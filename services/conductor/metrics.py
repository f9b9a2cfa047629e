# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told by a conductor: of waits for guests, of watts, of hosts, and of how the house stands."""

from prometheus_client import Counter, Gauge

EVIDENCE = Counter("innkeeper_evidence_total", "Looks at vms, by what came of them", ["outcome"])
VERDICTS = Counter("innkeeper_guest_verdicts_total", "Waits for guests that ended badly", ["step", "outcome"])
HOST_WATTS = Gauge("innkeeper_host_watts", "Power a host draws", ["host", "source"])
VM_WATTS = Gauge("innkeeper_vm_watts", "A vm's part of what its host draws, of the thirstiest ones", ["vm", "project"])
OTHER_VM_WATTS = Gauge("innkeeper_other_vm_watts", "What the vms that are not told one by one draw together")
PROJECT_WATTS = Gauge("innkeeper_project_watts", "What a project's vms draw together", ["project"])
HOSTS = Gauge("innkeeper_hosts", "Hosts by state", ["state"])
HOST_CAPACITY = Gauge("innkeeper_host_capacity", "What claims on a host may add up to", ["host", "resource"])
HOST_SILENCE = Gauge("innkeeper_host_silence_seconds", "Time since a host that should speak last did", ["host"])
OUTBOX_OLDEST = Gauge("innkeeper_outbox_oldest_seconds", "Age of the oldest outbox row that is not yet confirmed")
OVERDUE = Gauge("innkeeper_jobs_overdue", "Jobs that are due and in nobody's hands, by queue", ["queue"])
DRIFTED = Gauge("innkeeper_vms_drifted", "Vms that are other than they were asked to be")
ORPHANS = Counter("innkeeper_orphans_collected_total", "Vms on hosts that nobody owned, erased")
CLAIMS_REPAIRED = Counter("innkeeper_claims_repaired_total", "Claims and addresses of vms that are gone, given back")
