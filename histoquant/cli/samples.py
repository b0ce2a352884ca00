"""A synthetic trial to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from histoquant.errors import UsageError


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
