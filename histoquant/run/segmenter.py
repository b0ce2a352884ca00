"""Which segmenter a run was told to use, where its weights are, and what names them in a plan."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel, ConfigDict

from histoquant.errors import UsageError
from histoquant.store.atomic import file_sha256

if TYPE_CHECKING:  # taking in a command line compiles nothing
    from histoquant.objects.segmenter import Segmenter

ENTRY_POINTS = "histoquant.segmenters"
"""Group of entry points; each loads ``factory(weights: Path | None) -> Segmenter`` under its name."""


class SegmenterChoice(BaseModel):
    """A segmenter as a job carries it.

    Attributes
    ----------
    name : str
        Of the entry point.
    weights : Path or None
        Local file or folder.
    identity : str
        Name, versions and digest of the weights; part of the plan's key and of the plan.
    exact : bool
        Whether tables are the same at every tile size.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    weights: Path | None
    identity: str
    exact: bool


def choose_segmenter(text: str) -> SegmenterChoice:
    """Find the segmenter that ``NAME`` or ``NAME:WEIGHTS`` names, and load it once to see that it works.

    Parameters
    ----------
    text : str
        As given on the command line.

    Returns
    -------
    SegmenterChoice

    Raises
    ------
    UsageError
        If no plug-in of this name is installed, its weights are not there, or it cannot be loaded.
    """
    name, _, place = text.partition(":")
    weights = Path(place).absolute() if place else None
    point = _point(name)
    if weights is not None and not weights.exists():
        raise UsageError(f"--segmenter {text}: {weights} is not there. Name the file of its weights.")
    segmenter = _load(name, weights)
    made_by = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "not installed"
    digest = f", weights {_digest(weights)[:16]}" if weights is not None else ""
    said = f"{name} {segmenter.version} ({made_by}{digest})"
    return SegmenterChoice(name=name, weights=weights, identity=said, exact=segmenter.exact)


def open_segmenter(choice: SegmenterChoice) -> Segmenter:
    """The segmenter, loaded once per process.

    Raises
    ------
    UsageError
        If the machine that works has another version, or other weights, than the one that started the run.
    """
    here = choose_segmenter(choice.name if choice.weights is None else f"{choice.name}:{choice.weights}")
    if here.identity != choice.identity:
        raise UsageError(
            f"this worker has the segmenter {here.identity}, the run was started with {choice.identity}. "
            "Install the same on every machine."
        )
    return _load(choice.name, choice.weights)


def _point(name: str) -> EntryPoint:
    known = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in known:
        there = f"Installed: {', '.join(sorted(known))}." if known else "None is installed."
        raise UsageError(f"--segmenter {name}: no plug-in of this name. {there}")
    return known[name]


@lru_cache(maxsize=4)
def _load(name: str, weights: Path | None) -> Segmenter:
    try:
        segmenter = _point(name).load()(weights)
    except UsageError:
        raise
    except Exception as error:  # whatever a plug-in raises is the user's to read
        raise UsageError(
            f"--segmenter {name}: cannot be loaded ({type(error).__name__}: {error})."
        ) from error
    missing = [part for part in ("version", "exact", "halo_um", "labels") if not hasattr(segmenter, part)]
    if missing:
        raise UsageError(
            f"--segmenter {name}: lacks {', '.join(missing)}. See histoquant.testing.check_segmenter."
        )
    return cast("Segmenter", segmenter)


@lru_cache(maxsize=4)
def _digest(weights: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names."""
    if weights.is_file():
        return file_sha256(weights)
    whole = hashlib.sha256()
    for path in sorted(path for path in weights.rglob("*") if path.is_file()):
        whole.update(f"{path.relative_to(weights).as_posix()} {file_sha256(path)}\n".encode())
    return whole.hexdigest()
