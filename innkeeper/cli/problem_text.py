# SPDX-License-Identifier: Apache-2.0
"""Errors as a person wants to read them: what, why, which field, and what to do."""

from collections.abc import Iterator

from innkeeper import errors
from innkeeper.cli.words import clean


def problem_text(error: errors.ClientError) -> str:
    """Lines for stderr, without a final newline."""
    return "\n".join(clean(line) for line in _lines(error))


def _lines(error: errors.ClientError) -> Iterator[str]:
    if isinstance(error, errors.Refused):
        yield f"Error: {error.title}"
        if error.detail and error.detail != error.title:
            yield f"  {error.detail}"
        for problem in error.problems:
            yield f"  {problem.pointer or '(request)'}: {problem.detail}"
            if problem.fix:
                yield f"    fix: {problem.fix}"
        if error.possible:
            yield f"  possible now: {', '.join(error.possible)}"
        yield from _advice(error)
    else:
        yield f"Error: {error}"
        yield from _advice(error)


def _advice(error: errors.ClientError) -> Iterator[str]:
    if isinstance(error, errors.NotSignedIn):
        yield "  fix: sign in with `inn login`"
    elif isinstance(error, errors.Unreachable):
        yield "  fix: is the server running there? Another address: `inn --url URL ...`, or INN_URL"
    elif isinstance(error, errors.WaitTimeout):
        yield f"  fix: follow it with `inn job watch {error.job_id}`"
    elif isinstance(error, errors.JobFailed):
        yield f"  fix: `inn job show {error.job.id}` says how far it came; `inn job retry {error.job.id}` tries again"
    elif isinstance(error, errors.NoHost):
        yield "  fix: `inn explain` with the same options shows every host's reason and the nearest change that fits"
    elif isinstance(error, errors.ServerFault):
        yield "  This is a defect of the server; its log says more" + _trace(error.trace_id) + "."


def _trace(trace_id: str) -> str:
    return f" (look for {trace_id})" if trace_id else ""
