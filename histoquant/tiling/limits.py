"""How much memory and time a worker process may take before it is stopped and its task taken apart."""

from __future__ import annotations

import contextlib
import faulthandler
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2

from histoquant.errors import SlideFailedError, UsageError

Cause = Literal["CRASH", "MEMORY", "TIME"]

_MB: Final = 1_000_000
_VIRTUAL_EXTRA_MB: Final = 1024  # what a process reserves and never touches: stacks, arenas of allocators


@dataclass(frozen=True)
class WorkerLimits:
    """Limits of one worker process; none of them can change a number.

    Attributes
    ----------
    memory_mb : int
        Resident memory in MB (10^6 bytes) of a process that histoquant starts; 0 sets no limit. On Linux the
        kernel also refuses what would lead far beyond it.
    task_s : float
        Seconds of the clock for one task, that is a plan, a batch of tiles, one tile of a batch that was
        taken apart, or a commit; where several of a slide are one task and take longer, they are done one
        by one. 0 sets no limit. Holds for workers of the user's own cluster too, where each process has
        one thread.

    Raises
    ------
    UsageError
        If a limit is below what any slide needs.
    """

    memory_mb: int = 4000
    task_s: float = 3600.0

    def __post_init__(self) -> None:
        if self.memory_mb and self.memory_mb < 1000:
            raise UsageError(
                f"worker-memory: {self.memory_mb} MB does not hold one tile. Give 1000 or more, or 0 for no "
                "limit."
            )
        if not (self.task_s == 0 or 1 <= self.task_s <= 1e6):
            raise UsageError(f"task-limit: {self.task_s} is not 1 to 1000000 seconds. Give 0 for no limit.")


class WorkerDiedError(SlideFailedError):
    """The worker process of a task died, or was stopped at a limit.

    Parameters
    ----------
    cause : {"CRASH", "MEMORY", "TIME"}
        ``"CRASH"`` also where the system ended it for a reason of its own.
    limits : WorkerLimits
        In force for the task.
    """

    def __init__(self, cause: Cause, limits: WorkerLimits) -> None:
        self.cause, self.limits = cause, limits
        super().__init__(f"WORKER_{cause}" if cause != "CRASH" else "WORKER_DIED", self.happened)

    @property
    def happened(self) -> str:
        """What the process did, as the end of a sentence."""
        if self.cause == "TIME":
            return f"takes longer than {self.limits.task_s:g} s"
        if self.cause == "MEMORY":
            return (
                f"needs more than {self.limits.memory_mb} MB"
                if self.limits.memory_mb
                else "needs too much memory"
            )
        return "dies"

    @property
    def way_out(self) -> str:
        """What the user can do."""
        if self.cause == "TIME":
            return "Look at the slide there in another viewer; allow more with --task-limit."
        if self.cause == "MEMORY":
            return "Allow more with --worker-memory, or choose a smaller --tile-size."
        return "Copy or export the slide again; if it dies again, report the decoder's crash."


def within(limits: WorkerLimits, note: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a task in a worker process of one thread under its limits.

    A task beyond its time ends the process, from a thread that no decoder can hold up; whoever submitted it
    sees a dead worker, and where its threads were in ``note``.

    Parameters
    ----------
    limits : WorkerLimits
    note : str
        File that is empty unless the time was up; ``os.devnull`` where nobody could read it.
    function : callable
        Called with ``arguments``.

    Raises
    ------
    MemoryError
        If an allocation was refused, in whatever words the library has for that.
    """
    if limits.memory_mb:
        _refuse_more_than(limits.memory_mb + _VIRTUAL_EXTRA_MB)
    with contextlib.ExitStack() as watched:
        if limits.task_s:
            stack = watched.enter_context(Path(note).open("w"))
            watched.callback(faulthandler.cancel_dump_traceback_later)
            faulthandler.dump_traceback_later(limits.task_s, exit=True, file=stack)
        return _in_one_word(function, *arguments)


def _in_one_word(function: Callable[..., Any], *arguments: Any) -> Any:
    """A call, with OpenCV's own word for a lack of memory made Python's."""
    try:
        return function(*arguments)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(str(error)) from error
        raise


def _refuse_more_than(memory_mb: int) -> None:
    """Private memory of this process that may be written; other systems than Linux do not count it."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = memory_mb * _MB
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most < 0 else min(wanted, most), most))
