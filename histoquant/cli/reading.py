"""Reading blind: blind, unblind, review."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from histoquant.cli.application import AsJson, Marker, Mpp, Settings, StudyFile, WorkingMpp
from histoquant.errors import UsageError
from histoquant.run.first_look import require_blind_places, require_files, require_finished


def blind(
    folder: Annotated[Path, typer.Argument(help="Folder of slides.", show_default=False)],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="New folder for the masked slides.", show_default=False)
    ],
    key: Annotated[
        Path, typer.Option(help="New file for the key, where no reader can open it.", show_default=False)
    ],
    seed: Annotated[
        str | None,
        typer.Option(help="The statistician's seed; kept in the key only. Default: drawn by chance."),
    ] = None,
    duplicates: Annotated[
        float, typer.Option(help="Share of slides shown twice, for a reader's agreement with himself.")
    ] = 0.125,
    keep_batch: Annotated[
        bool, typer.Option("--keep-batch", help="Tell the staining batch; needed with locks per batch.")
    ] = False,
    link: Annotated[bool, typer.Option("--link", help="Hard links instead of copies.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse slides whose files hold labels, dates or identifiers.")
    ] = False,
    study: StudyFile = None,
    marker: Marker = None,
    mpp: Mpp = None,
    working_mpp: WorkingMpp = None,
    calibration: Annotated[Path | None, typer.Option(help="Calibration that the run will use.")] = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Copy slides under random names in random order, and freeze the parameters they will be read with.

    Example: histoquant blind slides/ -o blind/ --key ../statistician/key.json
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder. Name the folder that holds the slides.")
    require_files("--study", [study])
    require_files("--calibration", [calibration])
    require_blind_places([folder], out, key)
    from histoquant.run.blind import BlindOptions, blind_slides
    from histoquant.run.options import RunOptions

    run = RunOptions(
        slides=(folder,),
        out=out,
        study=study,
        marker=marker,
        mpp=mpp,
        working_mpp_um=working_mpp,
        calibration=calibration,
        settings=tuple(settings or ()),
    )
    options = BlindOptions(run, key, seed, duplicates, keep_batch, link, strict, as_json)
    raise typer.Exit(blind_slides(options))


def unblind(
    out: Annotated[Path, typer.Argument(help="Finished run over a blind folder.", show_default=False)],
    key: Annotated[Path, typer.Option(help="The key.", show_default=False)],
    target: Annotated[
        Path, typer.Option("-o", "--out", help="New folder for the unblinded copy.", show_default=False)
    ],
    study: StudyFile = None,
    reader: Annotated[
        list[Path] | None, typer.Option(help="A reader's CSV by masked id, to be joined; repeat for more.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Who unblinds, for the log. Default: the user.")] = None,
    as_json: AsJson = False,
) -> None:
    """Join the key to finished results in a copy; refused unless the run kept to what was frozen.

    Example: histoquant unblind results --key ../statistician/key.json -o unblinded
    """
    require_files("--key", [key])
    require_finished(out)
    require_files("--study", [study])
    require_files("--reader", reader or ())
    from histoquant.run.unblind import UnblindOptions, unblind_results

    who = actor if actor is not None else getpass.getuser()
    options = UnblindOptions(out, key, target, study, tuple(reader or ()), who, as_json)
    raise typer.Exit(unblind_results(options))


def review(
    out: Annotated[Path, typer.Argument(help="A finished output folder.", show_default=False)],
    reader: Annotated[str | None, typer.Option(help="Who reads. Default: the user.")] = None,
    fields: Annotated[int, typer.Option(min=0, help="Fields in the queue; 0 shows slides whole.")] = 20,
    field_um: Annotated[float, typer.Option(help="Edge of a field, um.")] = 250.0,
    seed: Annotated[int | None, typer.Option(help="Draws the queue. Default: by chance.")] = None,
    slides: Annotated[Path | None, typer.Option(help="Folder of the slides. Default: beside OUT.")] = None,
    lock: Annotated[
        bool, typer.Option("--lock", help="Sign the reading off: nothing more is added.")
    ] = False,
) -> None:
    """Review what was counted, field by field under masked names, in napari; every click is kept.

    Example: histoquant review results --reader anna
    """
    require_finished(out)
    require_files("--slides", [slides])
    from histoquant.review.desk import Desk
    from histoquant.review.log_file import SUFFIX, ReviewLog
    from histoquant.review.session import FOLDER, QueueRules, write_reviewed

    who = reader if reader is not None else getpass.getuser()
    rules = QueueRules(fields, field_um, seed)
    if lock:
        with ReviewLog(out / FOLDER / f"{who}{SUFFIX}") as log:
            Desk(log).lock()
        write_reviewed(out)
        return
    from histoquant.viewer.review_window import leave_process
    from histoquant.viewer.review_window import review as show

    show(out, who, rules, slides)
    leave_process()
