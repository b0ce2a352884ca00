"""S8, S10: nothing in the package loads what could run code, or XML with entities."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "histoquant"
MODULES = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "yaml", "torch", "xml.sax", "lxml"}
# weights that the user names for a segmenter are his own program, as a plug-in is; nothing else loads any
OF_THE_USER = {"segmenters/instanseg.py": ["torch"]}
CALLS = {"eval", "exec", "compile", "__import__"}


def unsafe(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            attribute = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            options = {word.arg: word.value for word in node.keywords}
            if name in CALLS or attribute in {"read_pickle", "to_pickle"}:
                found.append(name or attribute)
            allowed = options.get("allow_pickle")
            is_numpy = attribute == "load" and ast.unparse(node.func) == "np.load"
            if is_numpy and not (isinstance(allowed, ast.Constant) and allowed.value is False):
                found.append("np.load without allow_pickle=False")
            shell = options.get("shell")
            if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
                found.append("shell=")
    return found


def test_nothing_unsafe_is_used():
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 100
    found = {
        p.relative_to(PACKAGE).as_posix(): bad for p in files if (bad := unsafe(ast.parse(p.read_text())))
    }
    assert found == OF_THE_USER


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from yaml import load", "eval('1')", "np.load(p)", "np.load(p, allow_pickle=True)",
        "pd.read_pickle(p)", "subprocess.run(c, shell=True)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_is_for(text: str):
    assert unsafe(ast.parse(text))
