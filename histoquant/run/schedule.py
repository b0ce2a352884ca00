"""Which task comes next: plan a slide, then its batches, then its commit, a window at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from histoquant.errors import StoreError
from histoquant.run.job import SlideJob
from histoquant.run.tasks import BatchReceipt, PlanReceipt, commit_slide, plan_slide, run_batch
from histoquant.tiling.executors import Done, Executor


@dataclass
class _Progress:
    """What one slide still waits for."""

    job: SlideJob
    plan: PlanReceipt | None = None
    waiting: set[str] = field(default_factory=set)
    failed: bool = False


@dataclass(frozen=True)
class Listener:
    """What the schedule tells the outside, as it happens."""

    planned: Callable[[SlideJob, PlanReceipt], None]
    batch_done: Callable[[SlideJob, BatchReceipt], None]
    committed: Callable[[SlideJob, Any], None]
    failed: Callable[[SlideJob, BaseException], None]


class Schedule:
    """Drive slides through plan, batches and commit on an executor.

    At most ``executor.window`` tasks are under way, so the scheduler's memory does not grow with the
    cohort. A slide that fails stops getting tasks; the others go on. A failure of the output folder or of the
    cluster is nobody's slide: it ends the run.

    Parameters
    ----------
    executor : Executor
        Where the tasks run.
    listener : Listener
        Told of every step.
    """

    def __init__(self, executor: Executor, listener: Listener) -> None:
        self._executor = executor
        self._listener = listener
        self._ready: deque[tuple[str, Callable[..., Any], tuple[Any, ...], str]] = deque()
        self._slides: dict[str, _Progress] = {}
        self._owner: dict[str, str] = {}

    def run(self, jobs: Iterable[SlideJob]) -> None:
        """Quantify all jobs; returns when each is committed or failed.

        Raises
        ------
        StoreError
            If results cannot be written, or the cluster is gone; what is finished stays.
        """
        fresh = deque(jobs)
        window = self._executor.window
        while True:
            while len(self._owner) < window and (self._ready or fresh):
                if not self._ready:
                    self._begin(fresh.popleft())
                self._submit()
            if not self._owner:
                return
            self._settle(self._executor.next_done())

    def _begin(self, job: SlideJob) -> None:
        self._slides[job.slide_id] = _Progress(job)
        self._ready.append((f"{job.key}:plan", plan_slide, (job,), job.slide_id))

    def _submit(self) -> None:
        name, function, arguments, slide_id = self._ready.popleft()
        if self._slides[slide_id].failed:
            return
        self._owner[name] = slide_id
        self._executor.submit(name, function, *arguments)

    def _settle(self, done: Done) -> None:
        slide = self._slides[self._owner.pop(done.name)]
        if isinstance(done.error, StoreError):
            raise done.error
        if slide.failed:
            return
        if done.error is not None:
            slide.failed = True
            self._listener.failed(slide.job, done.error)
        elif isinstance(done.result, PlanReceipt):
            self._plan_batches(slide, done.result)
        elif isinstance(done.result, BatchReceipt):
            slide.waiting.discard(done.name)
            self._listener.batch_done(slide.job, done.result)
            self._commit_when_complete(slide)
        else:
            del self._slides[slide.job.slide_id]
            self._listener.committed(slide.job, done.result)

    def _plan_batches(self, slide: _Progress, plan: PlanReceipt) -> None:
        slide.plan = plan
        self._listener.planned(slide.job, plan)
        for number in range(plan.batches):
            name = f"{slide.job.key}:batch:{number}"
            slide.waiting.add(name)
            self._ready.append((name, run_batch, (slide.job, number), slide.job.slide_id))
        self._commit_when_complete(slide)

    def _commit_when_complete(self, slide: _Progress) -> None:
        if not slide.waiting:
            # in front: a finished slide frees its batch files before new ones begin
            self._ready.appendleft(
                (f"{slide.job.key}:commit", commit_slide, (slide.job,), slide.job.slide_id)
            )
