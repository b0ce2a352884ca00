"""What a person or a program sees while a run goes on."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, TextIO

# A program that watches wants news often enough to draw, seldom enough to log.
_JSON_INTERVAL_S = 1.0


@dataclass
class Counters:
    """How far the run is; a slide's tissue counts once its plan is known."""

    slides_total: int
    slides_done: int = 0
    slides_failed: int = 0
    tiles_total: int = 0
    tiles_done: int = 0
    cells: int = 0
    megapixels: float = 0.0
    started_s: float = 0.0

    def rate_mpx_per_s(self, now_s: float) -> float:
        """Working-plane megapixels analysed per second since the start."""
        return self.megapixels / max(now_s - self.started_s, 1e-6)

    def seconds_left(self, now_s: float) -> float | None:
        """Time left by the share of work done; slides not yet planned count as average ones."""
        planned = self.slides_done + self.slides_failed + (1 if self.tiles_done < self.tiles_total else 0)
        if not self.tiles_done or not planned:
            return None
        expected_tiles = self.tiles_total * max(1.0, self.slides_total / max(planned, 1))
        return (now_s - self.started_s) * max(expected_tiles - self.tiles_done, 0.0) / self.tiles_done


class Reporter:
    """Shows nothing; the base of the ones that do, and the quiet one when output is no terminal."""

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def update(self, counters: Counters) -> None:
        """Show the counters."""

    def slide(self, slide_id: str, status: str, reason: str) -> None:
        """Tell that a slide ended."""


class JsonReporter(Reporter):
    """One JSON object per line on ``stream``, at most one update a second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last_s = 0.0

    def update(self, counters: Counters) -> None:
        """Write the counters if the last ones are old enough."""
        now = time.monotonic()
        ended = counters.slides_done + counters.slides_failed
        if now - self._last_s < _JSON_INTERVAL_S and ended < counters.slides_total:
            return
        self._last_s = now
        values = {key: value for key, value in asdict(counters).items() if key != "started_s"}
        self._emit("progress", **values, mpx_per_s=round(counters.rate_mpx_per_s(now), 2))

    def slide(self, slide_id: str, status: str, reason: str) -> None:
        """Write that a slide ended."""
        self._emit("slide", slide_id=slide_id, status=status, reason=reason)

    def _emit(self, event: str, **fields: Any) -> None:
        self._stream.write(json.dumps({"event": event, **fields}) + "\n")
        self._stream.flush()


class TerminalReporter(Reporter):
    """A live bar: slides, tiles, cells, Mpx/s, time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("[bold]{task.fields[slides]}[/] slides"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[detail]}"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("run", total=None, slides="0", detail="starting")

    def __enter__(self) -> TerminalReporter:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, counters: Counters) -> None:
        """Redraw the bar."""
        now = time.monotonic()
        left = counters.seconds_left(now)
        detail = (
            f"{counters.tiles_done}/{counters.tiles_total} tiles, {counters.cells:,} cells, "
            f"{counters.rate_mpx_per_s(now):.1f} Mpx/s" + ("" if left is None else f", {_clock(left)} left")
        )
        ended = counters.slides_done + counters.slides_failed
        self._bar.update(
            self._task,
            total=counters.slides_total,
            completed=ended,
            slides=f"{ended}/{counters.slides_total}",
            detail=detail,
        )

    def slide(self, slide_id: str, status: str, reason: str) -> None:
        """Print a slide that did not come through whole above the bar."""
        if status in {"FAILED", "REFUSED"}:
            self._console.print(f"{status} {slide_id}: {reason}", markup=False, highlight=False)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def open_reporter(json_progress: bool) -> Reporter:
    """JSON lines when asked for, a live bar on a terminal, silence elsewhere."""
    if json_progress:
        return JsonReporter(sys.stdout)
    return TerminalReporter() if sys.stderr.isatty() else Reporter()
