"""The typer application and the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from histoquant._version import __version__

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
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def say_json(value: Any) -> None:
    """Print one JSON value: the same bytes for the same value, keys in order of the alphabet."""
    from histoquant.store.atomic import json_bytes

    typer.echo(json_bytes(value).decode(), nl=False)


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
