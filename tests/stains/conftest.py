"""The painted sections of the tiling tests, for the stain tests too."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _tiling_helpers() -> ModuleType:
    path = Path(__file__).resolve().parents[1] / "tiling" / "conftest.py"
    spec = importlib.util.spec_from_file_location("painted_sections", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["painted_sections"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def sections() -> ModuleType:
    return _tiling_helpers()
