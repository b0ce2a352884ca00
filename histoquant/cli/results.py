"""What is done with a finished results folder: verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from histoquant.cli.application import AsJson, say_json
from histoquant.cli.status import EXIT_SOME_FAILED


def verify(
    out: Annotated[Path, typer.Argument(help="A finished output folder.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Recompute every checksum of OUT and name what is missing or changed; exit status 3 if anything is.

    Example: histoquant verify results
    """
    from histoquant.store.verify import verify as faults_of

    faults = faults_of(out)
    if as_json:
        say_json([fault._asdict() for fault in faults])
    else:
        for fault in faults:
            typer.echo(f"{fault.file}: {fault.what}")
        typer.echo(f"{out}: {len(faults)} faults." if faults else f"{out}: every byte as it was written.")
    raise typer.Exit(EXIT_SOME_FAILED if faults else 0)
