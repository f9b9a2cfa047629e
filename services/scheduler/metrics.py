# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told about placing."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import OperationalError

from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.scheduler.claims import claims_by_host

log = get_logger(__name__)
DECISIONS = Counter("innkeeper_decisions_total", "Placements decided", ["outcome"])
DECISION_SECONDS = Histogram(
    "innkeeper_decision_seconds",
    "Time to choose a host and explain it",
    buckets=(0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1),
)
CONFLICTS = Counter("innkeeper_claim_conflicts_total", "Claims lost to another vm between choice and commit")
POLICY_PROBLEM = Gauge("innkeeper_policy_problem", "1: the policy in force can't be used, the one that ran goes on")
POLICY_SEQ = Gauge("innkeeper_policy_activation", "The activation of a policy that this scheduler follows")


class ClaimsCollector(Collector):
    """Claims by host, counted when Prometheus asks: a value kept here would be wrong with two schedulers."""

    def __init__(self, database: Database):
        self._database = database

    def collect(self) -> Iterable[Metric]:
        """One gauge with a sample for each host; none while the database is away."""
        gauge = GaugeMetricFamily("innkeeper_claims", "Vms that hold a claim on a host", labels=["host"])
        try:
            with self._database.read() as session:
                for host, count in claims_by_host(session).items():
                    gauge.add_metric([host], count)
        except OperationalError as error:
            log.warning("claims not counted: the database is away", reason=type(error.orig).__name__)
        yield gauge
