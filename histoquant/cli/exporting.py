"""Results in other tools' formats: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from histoquant.cli.application import AsJson, say_json
from histoquant.errors import UsageError
from histoquant.export.formats import FORMATS
from histoquant.run.first_look import require_files, require_finished


def export(
    out: Annotated[Path, typer.Argument(help="A finished output folder.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help=f"{', '.join(FORMATS)}.", show_default=False)],
    folder: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where files go. Default: OUT/export.")
    ] = None,
    slide: Annotated[
        list[str] | None, typer.Option(help="Only this slide_id; repeat for more. Default: all.")
    ] = None,
    slides: Annotated[
        Path | None,
        typer.Option(help="Folder of the slides: ome-zarr takes the image, dicom-ann the reference."),
    ] = None,
    compress: Annotated[bool, typer.Option("--gzip", help="GeoJSON as .geojson.gz.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write finished slides for QuPath (geojson), OME tools, scverse (anndata) or archives (dicom-ann).

    Example: histoquant export results --to geojson
    """
    if to not in FORMATS:
        raise UsageError(f"--to {to}: not a format. Choose from {', '.join(FORMATS)}.")
    require_finished(out)
    require_files("--slides", [slides])
    from histoquant.export import export_results

    written = export_results(
        out,
        to,
        folder or out / "export",
        slide_ids=slide,
        slides=slides,
        compress=compress,
        said=lambda path: None if as_json else typer.echo(str(path)),
    )
    if as_json:
        say_json({"format": to, "written": [str(path) for path in written]})
    else:
        typer.echo(f"{len(written)} written.")
