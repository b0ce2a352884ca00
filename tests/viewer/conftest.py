"""What the tests in a napari window need; warnings of napari and of what it imports are not ours to mend."""

from __future__ import annotations

from pathlib import Path

import pytest

_IGNORED = (
    "ignore::pydantic.warnings.PydanticDeprecatedSince20",
    "ignore::DeprecationWarning",
    "ignore::PendingDeprecationWarning",
    "ignore::FutureWarning:napari",
    "ignore::ResourceWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for warning in _IGNORED:
                item.add_marker(pytest.mark.filterwarnings(warning))
