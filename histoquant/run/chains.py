"""Tasks of a slide that a process does one after the other, without asking what comes next in between.

To ask takes a process on a cluster some 20 ms in which it has nothing to do, and another nearly as long to
answer.
"""

from __future__ import annotations

from collections.abc import Callable

from histoquant.run.job import SlideJob
from histoquant.run.tasks import BatchReceipt, CommitReceipt, PlanReceipt

Receipts = list[PlanReceipt | BatchReceipt | CommitReceipt]


def begin_slide(
    job: SlideJob,
    first_batch: bool,
    plan: Callable[[SlideJob], PlanReceipt],
    batch: Callable[[SlideJob, int], BatchReceipt],
    commit: Callable[[SlideJob], CommitReceipt],
) -> Receipts:
    """Plan a slide and go on to its end where that is one batch at most.

    Parameters
    ----------
    job : SlideJob
    first_batch : bool
        Whether the first of several batches is done, too; not where others wait to share them.
    plan, batch, commit : callable
        The tasks.

    Returns
    -------
    list
        What they returned, in their order.
    """
    planned = plan(job)
    if planned.batches == 0:
        return [planned, commit(job)]
    if planned.batches == 1:
        return [planned, *end_slide(job, 0, batch, commit)]
    return [planned, batch(job, 0)] if first_batch else [planned]


def end_slide(
    job: SlideJob,
    number: int,
    batch: Callable[[SlideJob, int], BatchReceipt],
    commit: Callable[[SlideJob], CommitReceipt],
) -> Receipts:
    """Do the last batch of a slide and commit it, as of `begin_slide`."""
    return [batch(job, number), commit(job)]
