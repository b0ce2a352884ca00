"""Bill of materials of an installed histoquant as CycloneDX 1.6 JSON, from the packages' own metadata.

python scripts/sbom.py [--extra napari] [--extra export] [--extra cluster] > histoquant.cdx.json

Run it with the Python whose environment is to be described. The same environment gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "histoquant"
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # of URLs, RFC 9562


def bill(extras: Iterable[str]) -> dict[str, Any]:
    """The document: every package that histoquant with these extras needs here, and who needs whom.

    Raises
    ------
    SystemExit
        If a package that is needed is not installed.
    """
    found: dict[str, Distribution] = {}
    needs: dict[str, set[str]] = {}
    waiting = [(ROOT, frozenset(extras))]
    seen = set(waiting)
    while waiting:
        name, wanted = waiting.pop()
        if name not in found:
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:
                sys.exit(f"sbom: {name} is needed and not installed. Install it, or leave out its extra.")
        for requirement in _needed(found[name], wanted):
            needed = canonicalize_name(requirement.name)
            needs.setdefault(name, set()).add(needed)
            one = (needed, frozenset(requirement.extras))
            if one not in seen:
                seen.add(one)
                waiting.append(one)
    components = {name: _component(name, found[name]) for name in sorted(found)}
    body = {
        "metadata": {"component": components.pop(ROOT) | {"type": "application"}},
        "components": list(components.values()),
        "dependencies": [
            {
                "ref": _purl(name, found[name]),
                "dependsOn": [_purl(n, found[n]) for n in sorted(needs.get(name, ()))],
            }
            for name in sorted(found)
        ],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(body, sort_keys=True))
    head = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
    }
    return head | body


def _needed(package: Distribution, extras: frozenset[str]) -> list[Requirement]:
    """Requirements that hold on this machine, of the package itself and of its extras."""
    chosen = []
    for text in package.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            chosen.append(requirement)
    return chosen


def _component(name: str, package: Distribution) -> dict[str, Any]:
    purl = _purl(name, package)
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": package.version,
        "purl": purl,
    }
    if summary := package.metadata.get("Summary"):
        component["description"] = summary
    if licences := _licences(package):
        component["licenses"] = licences
    return component


def _licences(package: Distribution) -> list[dict[str, Any]]:
    """The SPDX expression where the package states one, else its classifiers or its licence field."""
    if expression := package.metadata.get("License-Expression"):
        return [{"expression": expression}]
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in package.metadata.get_all("Classifier") or ()
        if text.startswith("License :: ")
    ]
    stated = (package.metadata.get("License") or "").strip().splitlines()
    return [{"license": {"name": text}} for text in classifiers or stated[:1]]


def _purl(name: str, package: Distribution) -> str:
    return f"pkg:pypi/{name}@{package.version.replace('+', '%2B')}"


def main() -> None:
    """Write the document to standard output."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--extra", action="append", default=[], help="an extra of histoquant; repeat for more"
    )
    print(json.dumps(bill(parser.parse_args().extra), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
