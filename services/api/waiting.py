# SPDX-License-Identifier: Apache-2.0
"""?wait=30: hold the answer until the job is over, or the time is."""

import time

from sqlalchemy import select

from services.api import draining
from services.api.call import Answer, Call
from services.api.views import jobs as job_views
from services.api.views import vms as vm_views
from services.api.views.volumes import tagged_volume
from services.common.contracts.states import JOB_FINAL
from services.common.contracts.topics import job_channel
from services.common.store.models import Job, Vm, Volume

# The feed says when to look; should it be silent, look this often all the same.
LOOK_S = 1.0


def waited(call: Call, answer: Answer, seconds: float) -> Answer:
    """The same answer once the job is over: 200 and fresh views; the 202 as it was when the time, or this API, ends."""
    job_id = answer.headers.get("Location", "").rpartition("/")[2]
    if not job_id or not _over(call, job_id, seconds):
        return answer
    with call.parts.database.read() as db:
        job = db.get_one(Job, job_id)
        shown = job_views.tagged(call, db, job)
        if "job" not in answer.body:
            return Answer(shown, 200, answer.headers)
        vm = db.get(Vm, job.vm_id) if job.vm_id else None
        fresh = {**answer.body, "job": shown}
        if vm is not None and "vm" in fresh:
            fresh["vm"] = vm_views.tagged(call, db, vm)
        if "volume" in fresh:
            fresh["volume"] = tagged_volume(call, db, db.get_one(Volume, job.params["volume"]))
        return Answer(fresh, 200, answer.headers)


def _over(call: Call, job_id: str, seconds: float) -> bool:
    until = time.monotonic() + seconds
    with call.parts.feed.listen([job_channel(job_id)]) as news:
        while True:
            with call.parts.database.read() as db:
                state = db.scalar(select(Job.state).where(Job.id == job_id))
            if state is None or state in JOB_FINAL:
                return state is not None
            left = until - time.monotonic()
            if left <= 0 or draining.begun():
                return False
            began = time.monotonic()
            pause = min(LOOK_S, left)
            if news.get(pause) is None and time.monotonic() - began < pause / 2:
                time.sleep(min(pause, 0.2))  # Redis is away and says so at once
