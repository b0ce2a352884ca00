"""Calibration: what control slides lock for a marker and batch, and how steady the controls are."""

from __future__ import annotations

from histoquant.calibration.drift import DriftPoint, DriftSeries, drift_series, spoken
from histoquant.calibration.model import DEFAULT_BATCH, Calibration, ControlSlide, Lock
from histoquant.calibration.toml_file import read_calibration, toml_text

__all__ = [
    "DEFAULT_BATCH",
    "Calibration",
    "ControlSlide",
    "DriftPoint",
    "DriftSeries",
    "Lock",
    "drift_series",
    "read_calibration",
    "spoken",
    "toml_text",
]
