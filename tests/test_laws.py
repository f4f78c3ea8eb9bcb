"""The laws of the house: who may import whom, and what stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from storage.database import Database
from storage.studies import create_study

ROOT = Path(__file__).parent.parent
HOUSE = {"search", "objectives", "storage", "dashboards"}
PAGES = {"dash", "dash_ag_grid", "dash_mantine_components", "fastapi", "starlette"}
MAY_IMPORT = {
    "objectives": {"PIL", "numpy", "torch", "torchvision", "pynvml"},
    "storage": {"alembic", "filelock", "optuna", "psutil", "sqlalchemy"},
    "dashboards": {"storage", "objectives", "brotli", "numpy", "jinja2", "moocore", "plotly", *PAGES},
}
TORCH_FREE = [
    "objectives.card", "objectives.costs", "objectives.data", "objectives.data.folder", "objectives.data.imported",
    "objectives.data.pictures", "objectives.front", "objectives.intervals", "objectives.models",
    "objectives.optimizers", "objectives.parameters", "objectives.prices", "objectives.slot", "objectives.trial",
    "storage.studies", "dashboards.exports", "dashboards.prices", "dashboards.report", "dashboards.figures",
    "dashboards.web",
    "search.cleanup", "search.data", "search.environment", "search.inference", "search.pricing", "search.reading",
    "search.service.app", "search.spec", "search.sweeps", "search.cli",
    "search.choosing", "search.client", "search.records", "search.watching",
]  # fmt: skip


def imported_by(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_the_law_lets_it(package: str) -> None:
    offline = {"make_embedded.py"}  # run by hand, in an environment of its own
    for path in (ROOT / package).rglob("*.py"):
        if path.name not in offline:
            assert imported_by(path) <= MAY_IMPORT[package] | {package}, path


def test_what_a_browser_needs_is_imported_by_the_pages_alone() -> None:
    for path in (ROOT / "dashboards").rglob("*.py"):
        if path.name != "web.py" and path.parent.name != "pages":
            assert not imported_by(path) & PAGES, path


def test_the_law_finds_an_import_inside_a_function(tmp_path: Path) -> None:
    path = tmp_path / "room.py"
    path.write_text("def f():\n    from storage.ledger import Ledger\n")
    assert imported_by(path) == {"storage"}


@pytest.mark.parametrize("module", TORCH_FREE)
def test_a_light_room_does_not_load_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], {"torch", "optuna", "numpy", "sqlalchemy", "pydantic"}),
        (["list"], {"torch", "optuna", "numpy", "sqlalchemy.orm"}),
        (["show", "a", "--figure", "tradeoff"], {"torch", "optuna", "numpy", "plotly", "jinja2", "sqlalchemy.orm"}),
        (["show", "a", "--json"], {"torch", "optuna", "numpy", "sqlalchemy.orm"}),
    ],
)
def test_a_light_command_loads_nothing_heavy(arguments: list[str], heavy: set[str], database: Database) -> None:
    create_study(database, "a", {"objective": {"minimize": ["device_seconds"]}}, 1, {})
    url = [] if "--help" in arguments else ["--storage", str(database.url)]
    code = (
        "import sys; from search.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"sys.exit(', '.join(sorted({heavy} & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments, *url], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_coordinator_of_worker_processes_never_loads_torch(quick_spec: Path, tmp_path: Path) -> None:
    script = tmp_path / "launch.py"
    script.write_text(
        "import sys\n"
        "if __name__ == '__main__':\n"
        "    from search.cli import main\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, end.code\n"
        "    sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, script, "launch", quick_spec, "--trials", "1"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_no_file_reads_a_pickle() -> None:
    for package in HOUSE:
        for path in (ROOT / package).rglob("*.py"):
            assert "pickle" not in imported_by(path), path
            assert "weights_only=False" not in path.read_text(), path
            assert "allow_pickle=True" not in path.read_text(), path
