"""The public face of a package, each name loaded when it is first asked for.

Whoever needs one module of a package must not wait for its others: a marker's definition needs no compiled
kernel, a list of slides no decoder. A face lists its names three times - for type checkers, for readers and
for `face_of` - and `tests/run/test_start.py` holds the three to each other.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def face_of(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the ``__getattr__`` and ``__dir__`` (PEP 562) of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping of str to str
        Public names, parted by blanks, by the module of the package that holds them. No name may be a
        module's, too: Python binds a module to its package when it is loaded, and would hide the name.

    Returns
    -------
    getattr : callable
        Loads a name and keeps it.
    dir : callable
        Lists what is there and what would be loaded, for completion and documentation.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{home_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return load, listed
