"""What a user asked of one run, and how study file and command line settle it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from histoquant.errors import UsageError
from histoquant.markers import MARKERS, get_marker
from histoquant.markers.definition import MarkerDefinition


@dataclass(frozen=True)
class RunOptions:
    """The command line of ``histoquant run``; None means that the study file or the default decides.

    Attributes
    ----------
    slides : tuple of Path
        Slides, or folders of slides.
    out : Path
        Output folder.
    settings : tuple of str
        ``key=value`` changes to the markers' definitions.
    """

    slides: tuple[Path, ...]
    out: Path = Path("results")
    study: Path | None = None
    marker: str | None = None
    mpp: float | None = None
    workers: int | None = None
    scheduler: str | None = None
    tile_size_px: int | None = None
    working_mpp_um: float | None = None
    calibration: Path | None = None
    settings: tuple[str, ...] = ()
    json_progress: bool = False
    unread_limit_percent: float | None = None
    cross_check_tiles: int | None = None
    segmenter: str | None = None
    worker_memory_mb: int | None = None
    task_limit_s: float | None = None


def parse_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """Split ``key=value`` texts.

    Raises
    ------
    UsageError
        If one has no ``=``, names no marker setting (the nearest known one is offered), or gives a value
        that a marker cannot take.
    """
    fields = {key for marker in MARKERS.values() for key in type(marker).model_fields}
    known = sorted(fields - {"name", "rule"})
    parsed = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: expected key=value, for example --set threshold_od=0.25.")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known settings: {', '.join(known)}."
            raise UsageError(f"--set {text}: no setting is named {key!r}. {hint}")
        parsed[key] = value
    for marker in MARKERS:
        marker_with(marker, parsed)
    return parsed


def marker_with(name: str, settings: dict[str, str]) -> MarkerDefinition:
    """A known marker's definition with the settings it knows changed.

    Raises
    ------
    UsageError
        If the marker is unknown or a value does not fit its field.
    """
    return changed_marker(get_marker(name), settings)


def changed_marker(base: MarkerDefinition, settings: Mapping[str, Any]) -> MarkerDefinition:
    """A definition with the settings it knows changed.

    Raises
    ------
    UsageError
        If a value does not fit its field.
    """
    changed: dict[str, Any] = {
        key: value for key, value in settings.items() if key in type(base).model_fields
    }
    if "threshold_od" in changed:
        # a threshold set by hand is the threshold, on every slide
        changed.setdefault("dab_standard_od", None)
    try:
        return type(base).model_validate({**base.model_dump(), **changed})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "marker"
        raise UsageError(f"--set {key}={first.get('input')}: {first['msg'].lower()}.") from error
