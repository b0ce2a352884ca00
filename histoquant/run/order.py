"""The order of a prepared run, left in its folder for a job array: no scheduler, no listener."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from histoquant.errors import StoreError
from histoquant.run.first_look import ORDER, require_prepared
from histoquant.run.options import RunOptions
from histoquant.store.atomic import json_bytes, make_folder, write_bytes, writing

_PATHS = ("out", "study", "calibration")


def write_order(options: RunOptions, slides: int) -> None:
    """Leave the order of a run in its output folder, for workers to find.

    Parameters
    ----------
    options : RunOptions
        Already checked by `take_in`.
    slides : int
        How many there are, to tell the user.
    """
    order: dict[str, Any] = asdict(options)
    order["slides"] = [str(path.absolute()) for path in options.slides]
    for name in _PATHS:
        order[name] = str(order[name].absolute()) if order[name] is not None else None
    make_folder((options.out / ORDER).parent)
    write_bytes(options.out / ORDER, json_bytes(order))
    print(
        f"{slides} slides prepared. Now `histoquant worker {options.out} --shard i/n` for i = 1 to n, on any "
        "machines that see the same folders; then the run command again without --prepare, for the tables.",
        file=sys.stderr,
    )


def drop_order(out: Path) -> None:
    """Remove the order of a run that is finished: it holds the slides' whole paths, which no result does."""
    with writing(out):
        (out / ORDER).unlink(missing_ok=True)


def read_order(out: Path) -> RunOptions:
    """The order of a prepared run.

    Parameters
    ----------
    out : Path
        Output folder.

    Returns
    -------
    RunOptions

    Raises
    ------
    StoreError
        If nothing was prepared there, or by another version.
    """
    require_prepared(out)
    cure = f"Run `histoquant run SLIDES -o {out} --prepare` first."
    try:
        order = json.loads((out / ORDER).read_text())
    except ValueError as error:
        raise StoreError(f"{out / ORDER}: cannot be read ({error}). {cure}") from error
    if not isinstance(order, dict) or set(order) != {field.name for field in fields(RunOptions)}:
        raise StoreError(f"{out / ORDER}: was prepared by another version. {cure}")
    for name in _PATHS:
        order[name] = Path(order[name]) if order[name] is not None else None
    order["slides"] = tuple(map(Path, order["slides"]))
    order["settings"] = tuple(order["settings"])
    # the folder may be mounted elsewhere on this machine
    return replace(RunOptions(**order), out=out)
