# SPDX-License-Identifier: Apache-2.0
"""Jobs: look, wait, follow, and what their owner can do about them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from innkeeper.errors import JobFailed
from innkeeper.models.job import Job, JobEvent, job_event
from innkeeper.models.shape import load, part
from innkeeper.resources.collection import Collection, pages
from innkeeper.transport import Call, Transport
from innkeeper.watch import Journal, Watch, WatchPolicy


class Jobs(Collection[Job]):
    """/v1/jobs"""

    def __init__(self, transport: Transport, policy: WatchPolicy):
        super().__init__(transport, "/v1/jobs", Job)
        self._policy = policy

    def events(self, job_id: str) -> list[JobEvent]:
        """The job's journal so far, in order."""
        return [job_event(event) for event in pages(self._transport, self._at(job_id, "events"), {})]

    def watch(self, job_id: str, *, after: int = 0, timeout: float | None = None) -> Iterator[JobEvent]:
        """Every event after seq `after`, as it happens, until the job is final; raises WaitTimeout."""
        journal = Journal(job_id, self._transport, lambda: self.get(job_id), lambda: self.events(job_id))
        return iter(Watch(journal, replace(self._policy, timeout_s=timeout), after))

    def wait(self, job_id: str, *, timeout: float | None = None, check: bool = True) -> Job:
        """The job once it is final; raises WaitTimeout, and JobFailed unless `check` is False."""
        for _ in self.watch(job_id, timeout=timeout):
            pass
        job = self.get(job_id)
        if check and not job.succeeded:
            raise JobFailed(job)
        return job

    def cancel(self, job_id: str) -> Job:
        """Stop it and walk back what it did."""
        return self._order(job_id, "cancel")

    def retry(self, job_id: str) -> Job:
        """Run a failed or stalled job again."""
        return self._order(job_id, "retry")

    def rollback(self, job_id: str) -> Job:
        """Give up a stalled job and walk back what it did."""
        return self._order(job_id, "rollback")

    def _order(self, job_id: str, verb: str) -> Job:
        body: Any = self._transport.json(Call("POST", self._at(job_id, verb)))
        return load(Job, part(body, "job"))
