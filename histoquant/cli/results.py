"""What is done with a finished results folder: verify, sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from histoquant.cli.application import AsJson, say_json
from histoquant.cli.status import EXIT_SOME_FAILED


def verify(
    out: Annotated[Path, typer.Argument(help="A finished output folder.", show_default=False)],
    signers: Annotated[
        Path | None, typer.Option(help="Allowed signers, as of OpenSSH: OUT must bear a signature of one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every checksum of OUT and name what is missing or changed; exit status 3 if anything is.

    Example: histoquant verify results
    """
    from histoquant.store.signatures import check_signatures
    from histoquant.store.verify import verify as faults_of

    faults = faults_of(out)
    if signers is not None:
        statements, unsigned = check_signatures(out, signers)
        faults += unsigned
        for said in () if as_json else statements:
            typer.echo(f"signed by {said.by}, {said.time}: {said.meaning}")
    if as_json:
        say_json([fault._asdict() for fault in faults])
    else:
        for fault in faults:
            typer.echo(f"{fault.file}: {fault.what}")
        typer.echo(f"{out}: {len(faults)} faults." if faults else f"{out}: every byte as it was written.")
    raise typer.Exit(EXIT_SOME_FAILED if faults else 0)


def sign(
    out: Annotated[Path, typer.Argument(help="A finished output folder.", show_default=False)],
    key: Annotated[Path, typer.Option(help="Your key of OpenSSH.", show_default=False)],
    by: Annotated[str, typer.Option(help="Who signs, as allowed signers are named.", show_default=False)],
    meaning: Annotated[str, typer.Option(help="What it stands for: reviewed, approved.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Sign the results of OUT as they are; `histoquant verify OUT --signers FILE` checks it.

    Example: histoquant sign results --key ~/.ssh/id_ed25519 --by jane.doe@hospital.example --meaning reviewed
    """
    from histoquant.store.signatures import sign as sign_results

    signed = sign_results(out, key, by, meaning)
    if as_json:
        say_json({"signed": str(signed), "by": by, "meaning": meaning})
    else:
        typer.echo(f"signed: {signed}")
