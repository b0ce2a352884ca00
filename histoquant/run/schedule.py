"""Which task comes next: plan a slide, then its batches, then its commit, a window at a time.

What one process does first and last of a slide is one task (`chains`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from histoquant.errors import StoreError
from histoquant.run.chains import begin_slide, end_slide
from histoquant.run.job import SlideJob
from histoquant.run.rescue import (
    CrashReceipt,
    PartReceipt,
    crash_error,
    find_crash,
    join_parts,
    run_part,
    tile_places,
)
from histoquant.run.tasks import (
    BatchReceipt,
    CommitReceipt,
    PlanReceipt,
    commit_slide,
    plan_slide,
    run_batch,
)
from histoquant.tiling.executors import Done, Executor
from histoquant.tiling.limits import WorkerDiedError

# Deaths of its worker that a task outlives: a batch goes tile by tile at once; a tile is tried twice, so
# that one worker lost to something else condemns no tile; plan and commit, which have no parts, three times.
# What begins or ends a slide goes task by task at once, and its death counts as one of each.
_DEATHS_BORNE: Final = {"batch": 0, "tile": 1, "plan": 2, "commit": 2, "join": 2, "search": 2}


@dataclass(frozen=True)
class _Task:
    """One call of a task function, with the numbers of its part and what else it takes."""

    kind: str
    function: Callable[..., Any]
    job: SlideJob
    part: tuple[int, ...] = ()
    more: tuple[Any, ...] = ()
    deaths: int = 0
    death: WorkerDiedError | None = None  # that made this task necessary

    @property
    def name(self) -> str:
        numbers = "".join(f":{number}" for number in self.part)
        return f"{self.job.key}:{self.kind}{numbers}" + (f":again:{self.deaths}" if self.deaths else "")


@dataclass
class _Progress:
    """What one slide still waits for: numbers of batches, and of tiles of batches that are taken apart.

    ``deaths`` is 1 once a worker died of several of its tasks: any of them may be why, of batches the first.
    """

    job: SlideJob
    waiting: set[int] = field(default_factory=set)
    apart: dict[int, set[int]] = field(default_factory=dict)
    deaths: int = 0
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
    cohort. A process goes on with the slide it has, whose plan and rooms are in its memory still; then it
    takes what no process has, then a new slide, and helps with another's slide once there is no new one.
    A slide that fails stops getting tasks; the others go on. A failure of the output folder or of the
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
        self._ready: deque[_Task] = deque()
        self._slides: dict[str, _Progress] = {}
        self._under_way: dict[str, _Task] = {}
        self._slide_at: dict[str, str] = {}  # by process, as far as known

    def run(self, jobs: Iterable[SlideJob]) -> None:
        """Quantify all jobs; returns when each is committed or failed.

        Raises
        ------
        StoreError
            If results cannot be written, or the cluster is gone; what is finished stays.
        """
        fresh = deque(jobs)
        place = ""
        while True:
            while len(self._under_way) < self._executor.window and (self._ready or fresh):
                task = self._with_commit(self._next_task(place, fresh))
                if not self._slides[task.job.slide_id].failed:
                    self._under_way[task.name] = task
                    self._executor.submit(task.name, task.function, task.job, *task.part, *task.more)
            if not self._under_way:
                return
            done = self._executor.next_done()
            place = done.place
            self._settle(done)

    def _next_task(self, place: str, fresh: deque[SlideJob]) -> _Task:
        """For the process at ``place``, which has just ended one, if known; something is ready or new."""
        own, had = self._slide_at.get(place), set(self._slide_at.values())
        for wanted in (lambda slide_id: slide_id == own, lambda slide_id: slide_id not in had):
            for index, task in enumerate(self._ready):
                if wanted(task.job.slide_id):
                    del self._ready[index]
                    return task
        if not fresh:
            return self._ready.popleft()
        job = fresh.popleft()
        self._slides[job.slide_id] = _Progress(job)
        # where a new slide is left for whoever is free, nobody waits for batches of this one
        unshared = len(fresh) >= self._executor.window - len(self._under_way)
        return _Task("begin", begin_slide, job, more=(unshared, plan_slide, run_batch, commit_slide))

    def _with_commit(self, task: _Task) -> _Task:
        """A batch that is all its slide waits for goes on to the slide's end."""
        slide = self._slides[task.job.slide_id]
        if task.kind != "batch" or slide.waiting != set(task.part) or slide.deaths:
            return task
        return replace(task, kind="end", function=end_slide, more=(run_batch, commit_slide))

    def _settle(self, done: Done) -> None:
        task = self._under_way.pop(done.name)
        slide = self._slides[task.job.slide_id]
        if done.place:
            self._slide_at[done.place] = slide.job.slide_id
        if isinstance(done.error, StoreError):
            raise done.error
        if slide.failed:
            return
        if isinstance(done.error, WorkerDiedError):
            self._outlive(slide, task, done.error)
        elif done.error is not None:
            self._fail(slide, done.error)
        elif isinstance(done.result, PartReceipt):
            self._join_when_complete(slide, *task.part)
        elif isinstance(done.result, CrashReceipt):
            assert task.death is not None
            self._fail(slide, crash_error(slide.job, done.result.place, task.death))
        else:
            receipts = done.result if isinstance(done.result, list) else [done.result]
            for receipt in receipts:
                self._take(slide, receipt, task.part)
            if not isinstance(receipts[-1], CommitReceipt):
                self._go_on(slide, receipts[0])

    def _take(
        self, slide: _Progress, receipt: PlanReceipt | BatchReceipt | CommitReceipt, part: tuple[int, ...]
    ) -> None:
        if isinstance(receipt, PlanReceipt):
            slide.waiting = set(range(receipt.batches))
            self._listener.planned(slide.job, receipt)
        elif isinstance(receipt, BatchReceipt):
            # what begins a slide does its first
            slide.waiting.discard(part[0] if part else 0)
            self._listener.batch_done(slide.job, receipt)
        else:
            del self._slides[slide.job.slide_id]
            self._listener.committed(slide.job, receipt)

    def _go_on(self, slide: _Progress, receipt: PlanReceipt | BatchReceipt) -> None:
        """Have ready what a slide waits for after its plan, or its commit once it waits for nothing."""
        if not slide.waiting:
            # in front: a finished slide frees its batch files before new ones begin
            self._ready.appendleft(_Task("commit", commit_slide, slide.job, deaths=slide.deaths))
        elif isinstance(receipt, PlanReceipt):
            for number in sorted(slide.waiting):
                if number == 0 and slide.deaths:
                    self._take_apart(slide, number)
                else:
                    self._ready.append(_Task("batch", run_batch, slide.job, (number,)))

    def _fail(self, slide: _Progress, error: BaseException) -> None:
        slide.failed = True
        self._listener.failed(slide.job, error)

    def _join_when_complete(self, slide: _Progress, number: int, index: int) -> None:
        left = slide.apart[number]
        left.discard(index)
        if not left:
            self._ready.appendleft(_Task("join", join_parts, slide.job, (number,)))

    def _outlive(self, slide: _Progress, task: _Task, death: WorkerDiedError) -> None:
        """Go on after the death of a task's worker: again, in parts, or to the end of the slide."""
        here = slide.job.slide_id
        self._slide_at = {place: held for place, held in self._slide_at.items() if held != here}
        if task.kind == "begin":
            slide.deaths = 1
            self._ready.appendleft(_Task("plan", plan_slide, slide.job, deaths=1))
        elif task.kind in {"batch", "end"}:
            slide.deaths |= task.kind == "end"
            self._take_apart(slide, *task.part)
        elif task.deaths < _DEATHS_BORNE[task.kind]:
            self._ready.appendleft(replace(task, deaths=task.deaths + 1))
        elif task.kind == "tile":
            number, index = task.part
            self._fail(slide, crash_error(slide.job, tile_places(slide.job, number)[index], death))
        elif task.kind == "plan":
            self._ready.appendleft(_Task("search", find_crash, slide.job, death=death))
        else:
            self._fail(slide, crash_error(slide.job, "", task.death or death))

    def _take_apart(self, slide: _Progress, number: int) -> None:
        indices = range(len(tile_places(slide.job, number)))
        slide.apart[number] = set(indices)
        self._ready.extendleft(
            _Task("tile", run_part, slide.job, (number, index)) for index in reversed(indices)
        )
