"""What is frozen before slides are read blind, and whether a run kept to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from histoquant._version import __version__
from histoquant.run.intake import Intake
from histoquant.store.atomic import json_bytes


def parameters_of(intake: Intake) -> dict[str, Any]:
    """Every parameter of a run that can change a number, as ``run.json`` records them."""
    chosen = {"segmenter": intake.segmenter.identity} if intake.segmenter is not None else {}
    return chosen | {
        "working_mpp_um": intake.parameters.working_mpp_um,
        "mpp": intake.mpp,
        "settings": intake.settings,
        "markers": {marker.name: marker.model_dump(mode="json") for marker in intake.markers.values()},
    }


def calibration_of(intake: Intake) -> dict[str, Any] | None:
    """Which calibration file, and the lock of every slide that took one."""
    if intake.calibration is None:
        return None
    locks = {name: lock for name in intake.slide_ids if (lock := intake.lock_of(name)) is not None}
    return {
        "file": intake.calibration_name,
        "made_by": intake.calibration.histoquant,
        "locks": {
            name: {"marker": lock.marker, "batch": lock.batch, "sha256": lock.sha256}
            for name, lock in locks.items()
        },
    }


def protocol_of(intake: Intake) -> dict[str, Any]:
    """What a blinding freezes.

    Parameters
    ----------
    intake : Intake
        Of the slides to be blinded.

    Returns
    -------
    dict
        Version, parameters, and the digests of all locks of the calibration (None without one).
    """
    held = intake.calibration
    locks = sorted({lock.sha256 for lock in held.lock}) if held is not None else None
    return {"version": __version__, "parameters": parameters_of(intake), "calibration_locks": locks}


def digest_of(protocol: Mapping[str, Any]) -> str:
    """SHA-256 of a protocol."""
    return hashlib.sha256(json_bytes(dict(protocol))).hexdigest()


def deviations(protocol: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    """Say where a run did not keep to the frozen protocol.

    Parameters
    ----------
    protocol : mapping
        From `protocol_of`.
    run : mapping
        ``run.json``, or its keys ``version``, ``parameters`` and ``calibration``.

    Returns
    -------
    list of str
        One phrase per difference, ``working_mpp_um: frozen 0.5, run 0.4``; empty when the run kept to it.
    """
    frozen = {"version": protocol["version"], **_flat(protocol["parameters"])}
    done = {"version": run.get("version"), **_flat(run.get("parameters") or {})}
    said = [
        f"{name}: frozen {frozen.get(name, 'absent')}, run {done.get(name, 'absent')}"
        for name in sorted({*frozen, *done})
        if frozen.get(name, _NONE) != done.get(name, _NONE)
    ]
    locks, calibration = protocol["calibration_locks"], run.get("calibration")
    if (locks is None) != (calibration is None):
        said.append("calibration: frozen " + ("none" if locks is None else "one") + ", run the opposite")
    elif locks is not None and calibration is not None:
        used = {lock["sha256"] for lock in calibration["locks"].values()}
        said += [
            f"calibration: lock {digest[:12]} is not among the frozen" for digest in sorted(used - {*locks})
        ]
    return said


_NONE = object()


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, one in value.items():
        if isinstance(one, Mapping):
            flat |= _flat(one, f"{prefix}{name}.")
        else:
            # JSON knows no tuples
            flat[f"{prefix}{name}"] = list(one) if isinstance(one, tuple) else one
    return flat
