"""What is going on in an output folder: status."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from histoquant.cli.application import AsJson, say_json


def status(
    out: Annotated[Path, typer.Argument(help="Folder of a run, at work or not.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Say how far a run is, from its folder alone; works from any machine that sees the folder.

    Example: histoquant status results
    """
    from histoquant.run.status import run_status

    found = run_status(out)
    if as_json:
        say_json(asdict(found))
        return
    holders = f" ({', '.join(found.holders)})" if found.holders else ""
    typer.echo(f"{out}: {found.state}{holders}")
    typer.echo(
        f"{found.slides_done} of {found.slides_total} slides done, {found.slides_failed} without numbers"
    )
    for slide in found.under_way:
        typer.echo(f"  {slide.slide_id}: {slide.batches_done} of {slide.batches} batches")
    if found.seconds_left is not None:
        typer.echo(f"about {found.seconds_left / 60:.0f} min left")
