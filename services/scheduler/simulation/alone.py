# SPDX-License-Identifier: Apache-2.0
"""`python -m services.scheduler.simulation.alone SECONDS`: an errand from standard input, its answer to the output.

It is nice to whoever places vms meanwhile, and after so many seconds of work it ends, whoever sent it. What is written
is {"answer"}, or {"refused": {"detail", "problems"}} where what was sent along can't be read.
"""

import json
import os
import resource
import sys
from typing import Any

from services.common.contracts.codec import dump, load
from services.common.contracts.errors import Invalid, Problem
from services.scheduler.simulation.errand import Count, Errand, Trial
from services.scheduler.simulation.limits import check_size
from services.scheduler.simulation.outcome import told
from services.scheduler.simulation.picture import picture
from services.scheduler.simulation.recorded import read_lines
from services.scheduler.simulation.replay import by_policy, replay
from services.scheduler.simulation.trace import Trace
from services.scheduler.simulation.what_fits import Bounds, what_fits

JsonDict = dict[str, Any]
NICE = 10
TITLE = "The same vms on the same hosts, under both policies"


def done(errand: Errand) -> JsonDict:
    """The answer; raises Invalid for lines that are no trace."""
    if errand.trial is not None:
        return _tried(errand.trial)
    return {"flavors": _counted(errand.count) if errand.count is not None else []}


def _tried(trial: Trial) -> JsonDict:
    trace = _trace(trial)
    policies = [written.read() for written in trial.policies]
    # To compile takes longer than an answer may.
    outcomes = [replay(trace, f"{p.name}@{p.version}", by_policy(p, compiles=False)) for p in policies]
    drawn = picture(TITLE, trace, outcomes) if trial.picture else ""
    return {"trace": trace.name, **told(trace, outcomes), "picture": drawn}


def _trace(trial: Trial) -> Trace:
    if not trial.lines:
        return Trace("recorded", trial.hosts, trial.arrivals, trial.until)
    try:
        trace = read_lines("sent", trial.lines.splitlines())
    except Invalid as error:  # its detail begins with the line
        raise Invalid(error.detail, [Problem("/trace", error.detail, p.fix) for p in error.problems]) from error
    check_size(len(trace.arrivals), len(trace.hosts))
    return trace


def _counted(count: Count) -> list[JsonDict]:
    found = what_fits(count.policy.read(), count.hosts, count.flavors, Bounds(seconds=count.seconds))
    return [dump(fits) for fits in found]


def main() -> int:
    """0 with an answer or a refusal."""
    seconds = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    os.nice(NICE)
    try:
        answer: JsonDict = {"answer": done(load(Errand, json.load(sys.stdin)))}
    except Invalid as error:
        answer = {"refused": {"detail": error.detail, "problems": dump(error.problems)}}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
