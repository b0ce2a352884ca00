"""From slides to results: run, worker, inspect, calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from histoquant.cli.application import (
    AsJson,
    JsonProgress,
    Marker,
    Mpp,
    Settings,
    Slides,
    StudyFile,
    Workers,
    WorkingMpp,
)
from histoquant.cli.run_options import (
    CalibrationFile,
    CrossCheck,
    DryRun,
    Out,
    Prepare,
    Scheduler,
    SegmenterName,
    TaskLimit,
    TileSize,
    UnreadLimit,
    WorkerMemory,
)
from histoquant.run.first_look import require_files, require_prepared, require_slides
from histoquant.run.parameters import parameters_from
from histoquant.run.shard import Shard


def run(
    slides: Slides,
    out: Out = Path("results"),
    study: StudyFile = None,
    marker: Marker = None,
    mpp: Mpp = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    tile_size: TileSize = None,
    working_mpp: WorkingMpp = None,
    calibration: CalibrationFile = None,
    settings: Settings = None,
    unread_limit: UnreadLimit = None,
    cross_check: CrossCheck = None,
    segmenter: SegmenterName = None,
    worker_memory: WorkerMemory = None,
    task_limit: TaskLimit = None,
    prepare: Prepare = False,
    dry_run: DryRun = False,
    json_progress: JsonProgress = False,
) -> None:
    """Quantify slides into OUT; run it again to resume.

    Example: histoquant run slides/ -o results
    """
    require_slides(slides)
    require_files("--study", [study])
    require_files("--calibration", [calibration])
    parameters_from(
        {
            "tile_size_px": tile_size,
            "working_mpp_um": working_mpp,
            "unread_limit_percent": unread_limit,
            "cross_check_tiles": cross_check,
        }
    )
    from histoquant.run.options import RunOptions, parse_settings

    parse_settings(tuple(settings or ()))
    options = RunOptions(
        slides=tuple(slides),
        out=out,
        study=study,
        marker=marker,
        mpp=mpp,
        workers=workers,
        scheduler=scheduler,
        tile_size_px=tile_size,
        working_mpp_um=working_mpp,
        calibration=calibration,
        settings=tuple(settings or ()),
        json_progress=json_progress,
        unread_limit_percent=unread_limit,
        cross_check_tiles=cross_check,
        segmenter=segmenter,
        worker_memory_mb=worker_memory,
        task_limit_s=task_limit,
    )
    if dry_run:
        from histoquant.run.dry_run import dry_run as say

        raise typer.Exit(say(options))
    from histoquant.run.runner import prepare_slides, run_slides

    raise typer.Exit(prepare_slides(options) if prepare else run_slides(options))


def worker(
    out: Annotated[Path, typer.Argument(help="Folder of `histoquant run --prepare`.", show_default=False)],
    shard: Annotated[str, typer.Option(help="Which part of how many: 2/8.", show_default=False)],
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 works in this one, without a port.")] = 0,
    json_progress: JsonProgress = False,
) -> None:
    """Quantify one shard of a prepared run, as one element of a job array; opens no port.

    Example, after histoquant run slides/ -o results --prepare: histoquant worker results --shard 2/8
    """
    part = Shard.parse(shard)
    require_prepared(out)
    from histoquant.run.runner import work_shard

    raise typer.Exit(work_shard(out, part, workers, json_progress))


def inspect(
    slides: Slides,
    study: StudyFile = None,
    marker: Marker = None,
    mpp: Mpp = None,
    as_json: AsJson = False,
) -> None:
    """Say what each slide is and whether it can be quantified, without quantifying it.

    Example: histoquant inspect slides/ --json
    """
    require_slides(slides)
    require_files("--study", [study])
    from histoquant.run.inspect import inspect_slides

    raise typer.Exit(inspect_slides(tuple(slides), study, marker, mpp, as_json))


def calibrate(
    slides: Slides,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Calibration file; its chart page goes beside it.")
    ] = Path("calibration.toml"),
    negative: Annotated[
        list[Path] | None,
        typer.Option(help="A slide that is a negative control and does not say so; repeat for more."),
    ] = None,
    study: StudyFile = None,
    marker: Marker = None,
    mpp: Mpp = None,
    workers: Workers = None,
    working_mpp: WorkingMpp = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Lock stain vectors and thresholds per marker and batch from control slides.

    Example: histoquant calibrate controls/ -o calibration.toml
    """
    require_slides(slides)
    require_files("--study", [study])
    require_files("--negative", negative or ())
    from histoquant.run.calibrate import CalibrateOptions, calibrate_slides

    options = CalibrateOptions(
        slides=tuple(slides),
        out=out,
        negative=tuple(negative or ()),
        study=study,
        marker=marker,
        mpp=mpp,
        workers=workers,
        working_mpp_um=working_mpp,
        settings=tuple(settings or ()),
        as_json=as_json,
    )
    raise typer.Exit(calibrate_slides(options))
