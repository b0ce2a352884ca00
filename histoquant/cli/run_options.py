"""The options that only ``histoquant run`` has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("-o", "--out", help="Where results go.")]
Scheduler = Annotated[str | None, typer.Option(help="Your own Dask cluster, tls://host:port.")]
TileSize = Annotated[int | None, typer.Option(help="Tile edge in px; never changes results.")]
CalibrationFile = Annotated[
    Path | None, typer.Option(help="Stain vectors and thresholds locked by `histoquant calibrate`.")
]
UnreadLimit = Annotated[
    float | None,
    typer.Option(help="Percent of a slide's tissue that may be unreadable. Default 0: the slide fails."),
]
CrossCheck = Annotated[
    int | None, typer.Option(min=0, help="Read this many tiles of each slide by a second reader too.")
]
SegmenterName = Annotated[
    str | None,
    typer.Option(help="Plug-in that finds nuclei, NAME or NAME:WEIGHTS. Default: the own search."),
]
WorkerMemory = Annotated[
    int | None,
    typer.Option(min=0, help="MB at which a worker process is stopped. Default 4000; 0 for no limit."),
]
TaskLimit = Annotated[
    float | None,
    typer.Option(min=0, help="Seconds after which a task is stopped. Default 3600; 0 for no limit."),
]
Prepare = Annotated[
    bool, typer.Option("--prepare", help="Only check, and leave OUT ready for `histoquant worker`.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done with each slide and why; write nothing.")
]
