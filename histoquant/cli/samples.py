"""A synthetic trial to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from histoquant.cli.application import AsJson, say_json
from histoquant.errors import UsageError


def samples(
    folder: Annotated[Path, typer.Argument(help="Folder to write; made when missing.", show_default=False)],
    patients: Annotated[int, typer.Option(min=1, max=500, help="Patients in the synthetic trial.")] = 2,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Write a synthetic trial: slides, study.toml and truth tables.

    Example: histoquant samples my_trial --patients 4
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: not empty. Name a new folder, so that no slide is overwritten.")
    from histoquant.phantoms import write_samples

    folder.mkdir(parents=True, exist_ok=True)

    def drawn(number: int, total: int, name: str) -> None:
        typer.echo(f"drawn {number} of {total}: {name}", err=True)

    written = write_samples(folder, patients=patients, seed=seed, progress=drawn)
    slides = [path.name for path in written]
    if as_json:
        say_json({"folder": str(folder), "slides": slides, "patients": patients, "seed": seed})
        return
    typer.echo(f"Wrote {len(slides)} slides to {folder}. Next: histoquant run {folder}")
