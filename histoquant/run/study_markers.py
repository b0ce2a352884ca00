"""Markers that a study file defines beside the built-in ones."""

from __future__ import annotations

from histoquant.errors import StudyError, UsageError
from histoquant.markers import MARKERS, get_marker
from histoquant.markers.definition import MarkerDefinition
from histoquant.run.options import changed_marker
from histoquant.study.study_file import Study


def study_markers(study: Study | None) -> dict[str, MarkerDefinition]:
    """Definitions of ``[[markers]]`` by name.

    Parameters
    ----------
    study : Study or None

    Returns
    -------
    dict of str to MarkerDefinition
        Each another marker's definition under its own name, some settings changed.

    Raises
    ------
    StudyError
        If a name is a built-in marker's, ``like`` names none, or a setting does not fit.
    """
    found: dict[str, MarkerDefinition] = {}
    for entry in study.design.markers if study is not None else ():
        where = f"{study.path.name if study else ''}: [[markers]] {entry.name}"
        if entry.name.casefold() in {name.casefold() for name in (*MARKERS, *found)}:
            raise StudyError(f"{where}: this name is taken. Give the marker one of its own.")
        try:
            base = get_marker(entry.like)
            unknown = sorted(set(entry.set) - set(type(base).model_fields))
            if unknown:
                raise UsageError(f"{base.name} has no setting {', '.join(unknown)}")
            marker = changed_marker(base, {**entry.set, "name": entry.name})
        except UsageError as error:
            raise StudyError(f"{where}: {error}") from error
        found[entry.name] = marker
    return found
