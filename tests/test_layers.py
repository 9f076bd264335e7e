"""Who may import whom: the table in docs/architecture.md against the imports of the package."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hodor"
ENTRIES = {"__init__", "__main__"}  # what users import and start, which reaches everywhere


def cells():
    """{room: (rooms that it may import, {file: rooms that this file may import besides})}, in the order of the table."""
    found = {}
    for line in (ROOT / "docs/architecture.md").read_text().splitlines():
        row = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("| ") else []
        if len(row) == 3 and row[0] != "room":
            found[row[0].strip("`")] = row[1:]
    return found


def table():
    rooms = {}
    content = cells()
    ground = re.findall(r"`(\w+)`", content.pop("ground")[0])
    for room, (_, may_import) in content.items():
        everywhere, files = set(ground), {}
        for part in may_import.split(";"):
            names = re.findall(r"`(\w+(?:\.py)?)`", part)
            if names and names[0].endswith(".py"):
                files[names[0]] = set(names[1:])
            else:
                everywhere |= set(names)
        rooms[room] = everywhere, files
    return rooms, set(ground)


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Rooms of this package that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            pytest.fail(f"{path}: relative import")
        yield from (name.split(".")[1] for name in names if name.startswith("hodor."))


FILES = sorted(path for path in PACKAGE.rglob("*.py") if room_of(path) not in ENTRIES)


def test_every_room_is_in_the_table():
    rooms, ground = table()
    assert {room_of(path) for path in FILES} == set(rooms) | ground


def test_rooms_only_look_down():
    rooms, _ = table()
    order = list(rooms)
    for room, (below, files) in rooms.items():
        if room != "benchmark":  # which times the programs of the command line
            for other in (below | set().union(*files.values())) & set(order):
                assert order.index(other) > order.index(room), f"{room} may not look up to {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_are_those_of_the_table(path):
    rooms, ground = table()
    room = room_of(path)
    allowed, files = rooms.get(room, (ground, {}))
    allowed = allowed | files.get(path.name, set()) | {room}
    assert set(imports(path)) <= allowed, f"{path.name} imports {sorted(set(imports(path)) - allowed)}"


def test_the_network_reads_no_files_and_knows_no_device():
    for path in (PACKAGE / "modelling").rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"\bopen\(|\.cuda\(|import pathlib|from pathlib|\bglobal \b", text), path


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_are_read_in_one_go(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [node.name for node in functions if node.end_lineno - node.lineno >= 60]
