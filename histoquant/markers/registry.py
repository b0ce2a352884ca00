"""Markers by name, and the one way to score cells by a marker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from histoquant.errors import UsageError
from histoquant.markers import cd20, cd68, cytoplasmic, he, membrane, nuclear
from histoquant.markers._features import Columns, FloatArray
from histoquant.markers.cd31 import CD31
from histoquant.markers.definition import MarkerDefinition

BoolArray = npt.NDArray[np.bool_]
Rule = Callable[[Columns, MarkerDefinition], FloatArray]

ENTRY_POINTS = "histoquant.markers"
"""Group of entry points; each loads a pair (definition, rule) under the marker's name."""

MARKERS: Mapping[str, MarkerDefinition] = MappingProxyType(
    {
        marker.name: marker
        for marker in (
            cd68.CD68,
            cd20.CD20,
            CD31,
            he.HE,
            nuclear.NUCLEAR,
            membrane.MEMBRANE,
            cytoplasmic.CYTOPLASMIC,
        )
    }
)
"""Built-in definitions by name."""

_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "cd68": cd68.stain_od,
        "cd20": cd20.stain_od,
        "nuclear": nuclear.stain_od,
        "membrane": membrane.stain_od,
        "cytoplasmic": cytoplasmic.stain_od,
        "none": he.stain_od,
    }
)


class Scores(NamedTuple):
    """Positivity of every cell.

    Attributes
    ----------
    positive : ndarray of bool, shape (n,)
    unscorable : ndarray of bool, shape (n,)
        True where the compartment could not be measured; such a cell is neither positive nor negative.
    """

    positive: BoolArray
    unscorable: BoolArray


def marker_names() -> tuple[str, ...]:
    """Names of all markers there are: built in, then those of installed plug-ins; none is loaded."""
    brought = sorted({entry.name for entry in entry_points(group=ENTRY_POINTS)} - set(MARKERS))
    return (*MARKERS, *brought)


def get_marker(name: str) -> MarkerDefinition:
    """Definition of a marker, built in or of an installed plug-in.

    Parameters
    ----------
    name : str
        In any case.

    Returns
    -------
    MarkerDefinition

    Raises
    ------
    UsageError
        If there is no such marker.
    """
    wanted = name.strip().casefold()
    for known, definition in MARKERS.items():
        if known.casefold() == wanted:
            return definition
    plugin = _plugin(wanted)
    if plugin is None:
        known = ", ".join(marker_names())
        raise UsageError(f"unknown marker {name!r}; choose one of {known}, or define your own")
    return plugin[0]


def stain_od(cells: Columns, definition: MarkerDefinition) -> FloatArray:
    """The one number per cell that a marker compares with its threshold.

    Parameters
    ----------
    cells : mapping of str to array_like
        Cell table with the features of `histoquant.objects.measure_cells`.
    definition : MarkerDefinition

    Returns
    -------
    ndarray of float64, shape (n,)
        DAB optical density, independent of any threshold; NaN where it cannot be told.

    Raises
    ------
    UsageError
        If the table lacks a feature or the rule is unknown.
    """
    rule = _RULES.get(definition.rule)
    if rule is None:
        plugin = _plugin(definition.name.casefold())
        if plugin is None:
            raise UsageError(
                f"marker {definition.name}: no scoring rule {definition.rule!r}; "
                f"choose one of {', '.join(_RULES)}, or install the plug-in that brings it"
            )
        rule = plugin[1]
    return rule(cells, definition)


def score(cells: Columns, definition: MarkerDefinition, threshold_od: float | None = None) -> Scores:
    """Decide which cells are positive; a pure function of features stored in the cell table.

    Parameters
    ----------
    cells : mapping of str to array_like
        Cell table.
    definition : MarkerDefinition
    threshold_od : float, optional
        DAB optical density; the definition's by default.

    Returns
    -------
    Scores

    Raises
    ------
    UsageError
        If the threshold is not a positive number, or as in `stain_od`.
    """
    threshold = definition.threshold_od if threshold_od is None else threshold_od
    if not threshold > 0 or not np.isfinite(threshold):
        raise UsageError(f"the DAB threshold must be a positive optical density, got {threshold}")
    return scores_of(stain_od(cells, definition), threshold)


def scores_of(stain: FloatArray, threshold_od: float) -> Scores:
    """Decide which cells are positive, from what `stain_od` gave.

    Parameters
    ----------
    stain : ndarray of float64, shape (n,)
    threshold_od : float
        DAB optical density above 0.

    Returns
    -------
    Scores
    """
    unscorable = np.isnan(stain)
    with np.errstate(invalid="ignore"):
        positive = stain >= threshold_od
    return Scores(np.asarray(positive & ~unscorable), np.asarray(unscorable))


def _plugin(name: str) -> tuple[MarkerDefinition, Rule] | None:
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name.casefold() == name:
            definition, rule = entry.load()
            if not isinstance(definition, MarkerDefinition) or not callable(rule):
                raise UsageError(
                    f"marker plug-in {entry.name} ({entry.value}) must be a pair of a MarkerDefinition and "
                    "a function of the cell table and the definition"
                )
            return definition, rule
    return None
