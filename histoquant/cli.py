"""The command line: parses, calls, and turns failures into one line and an exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from histoquant._version import __version__
from histoquant.errors import HistoquantError, OutputLockedError, UsageError

EXIT_USAGE, EXIT_SOME_FAILED, EXIT_LOCKED, EXIT_INTERRUPTED = 2, 3, 75, 130

app = typer.Typer(
    name="histoquant",
    help="Immunohistochemistry whole-slide images into numbers: CD68, CD20, CD31 and an inflammation index.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Slides = Annotated[list[Path], typer.Argument(help="Slides, or folders of slides.", show_default=False)]
StudyFile = Annotated[
    Path | None, typer.Option("--study", help="study.toml, when it is not beside the slides.")
]
Marker = Annotated[str | None, typer.Option("--marker", help="Marker of slides that do not say theirs.")]
Mpp = Annotated[float | None, typer.Option("--mpp", help="Micrometres per pixel of files that do not say.")]
Workers = Annotated[
    int | None,
    typer.Option(min=0, help="Worker processes; 0 works in this process. Default: one per core."),
]
WorkingMpp = Annotated[float | None, typer.Option(help="Resolution of analysis, um/px. Default: 0.5.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change one marker setting: threshold_od=0.25.")
]


JsonProgress = Annotated[
    bool, typer.Option("--json-progress", help="Progress as JSON lines on standard output.")
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"histoquant {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Slides in, per-biopsy numbers out."""


@app.command()
def run(
    slides: Slides,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where results go.")] = Path("results"),
    study: StudyFile = None,
    marker: Marker = None,
    mpp: Mpp = None,
    workers: Workers = None,
    scheduler: Annotated[str | None, typer.Option(help="Your own Dask cluster, tls://host:port.")] = None,
    tile_size: Annotated[int | None, typer.Option(help="Tile edge in px; never changes results.")] = None,
    working_mpp: WorkingMpp = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Stain vectors and thresholds locked by `histoquant calibrate`."),
    ] = None,
    settings: Settings = None,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only check, and leave OUT ready for `histoquant worker`.")
    ] = False,
    json_progress: JsonProgress = False,
) -> None:
    """Quantify slides into OUT; run it again to resume.

    Example: histoquant run slides/ -o results
    """
    from histoquant.run.options import RunOptions
    from histoquant.run.runner import prepare_slides, run_slides

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
    )
    raise typer.Exit(prepare_slides(options) if prepare else run_slides(options))


@app.command()
def worker(
    out: Annotated[Path, typer.Argument(help="Folder of `histoquant run --prepare`.", show_default=False)],
    shard: Annotated[str, typer.Option(help="Which part of how many: 2/8.", show_default=False)],
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 works in this one, without a port.")] = 0,
    json_progress: JsonProgress = False,
) -> None:
    """Quantify one shard of a prepared run, as one element of a job array; opens no port.

    Example, after histoquant run slides/ -o results --prepare: histoquant worker results --shard 2/8
    """
    from histoquant.run.runner import work_shard
    from histoquant.run.shards import Shard

    raise typer.Exit(work_shard(out, Shard.parse(shard), workers, json_progress))


@app.command()
def inspect(
    slides: Slides,
    study: StudyFile = None,
    marker: Marker = None,
    mpp: Mpp = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what each slide is and whether it can be quantified, without quantifying it."""
    from histoquant.run.inspect import inspect_slides

    raise typer.Exit(inspect_slides(tuple(slides), study, marker, mpp, as_json))


@app.command()
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Lock stain vectors and thresholds per marker and batch from control slides.

    Example: histoquant calibrate controls/ -o calibration.toml
    """
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


@app.command()
def verify(
    out: Annotated[Path, typer.Argument(help="A finished output folder.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Recompute every checksum of OUT and name what is missing or changed; exit status 3 if anything is."""
    from histoquant.store.verify import verify as faults_of

    faults = faults_of(out)
    if as_json:
        typer.echo(json.dumps([fault._asdict() for fault in faults], indent=1, ensure_ascii=False))
    else:
        for fault in faults:
            typer.echo(f"{fault.file}: {fault.what}")
        typer.echo(f"{out}: {len(faults)} faults." if faults else f"{out}: every byte as it was written.")
    raise typer.Exit(EXIT_SOME_FAILED if faults else 0)


@app.command()
def samples(
    folder: Annotated[Path, typer.Argument(help="Folder to write; made when missing.", show_default=False)],
    patients: Annotated[int, typer.Option(min=1, max=500, help="Patients in the synthetic trial.")] = 2,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
) -> None:
    """Write a synthetic trial: slides, study.toml and truth tables."""
    from histoquant.phantoms import write_samples

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: not empty. Name a new folder, so that no slide is overwritten.")
    folder.mkdir(parents=True, exist_ok=True)
    write_samples(folder, patients=patients, seed=seed)
    typer.echo(f"Wrote {len(list(folder.glob('*.tif')))} slides to {folder}. Next: histoquant run {folder}")


def main() -> None:
    """Run the command line; every failure becomes one line and an exit status."""
    try:
        app()
    except KeyboardInterrupt:
        status, message = EXIT_INTERRUPTED, "interrupted"
    except OutputLockedError as error:
        status, message = EXIT_LOCKED, str(error)
    except HistoquantError as error:
        status, message = EXIT_USAGE, str(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}. What was finished is kept; mend this and run again."
        status = EXIT_USAGE
    print(f"histoquant: {message}", file=sys.stderr)
    sys.exit(status)
