"""Whether a workflow run that GitHub lists is the one that we have perhaps started.

Our examples put the batch's id into the run's name. Where a workflow does not, the run of a
`workflow_dispatch` counts that names no batch and that is no other dispatch's: whoever started
it, it collects what has ended.
"""

import re
from collections.abc import Collection, Sequence

from batch_action.models.waking import StartedRun

_WORD = re.compile(r"[A-Za-z0-9_-]+")
_A_BATCH = re.compile(r"msgbatch_[A-Za-z0-9]+")


def recognised(
    runs: Sequence[StartedRun], batch: str, *, claimed: Collection[str], nameless: int | None
) -> StartedRun | None:
    """The run that was started for this batch; None when there is none among these.

    *claimed*: ids of runs that belong to other dispatches. *nameless*: how many others were
    started meanwhile of which we were never told the id, so that as many unnamed runs are theirs;
    None where unnamed runs prove nothing.
    """
    oldest_first = sorted(runs, key=lambda run: (run.created_at, int(run.id)))
    for run in oldest_first:
        if batch in _WORD.findall(run.title):
            return run
    if nameless is None:
        return None
    unnamed = [r for r in oldest_first if r.id not in claimed and not _A_BATCH.search(r.title)]
    return unnamed[nameless] if len(unnamed) > nameless else None
