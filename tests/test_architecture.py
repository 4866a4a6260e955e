"""The house as it was meant: floors, sizes, names, lightness, and `__all__` true."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wkplug import errors

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wkplug"

FLOORS = {
    "lazy": 0,
    "errors": 0,
    "notices": 1,
    "geometry": 1,
    "abc": 2,
    "config": 3,
    "registry": 4,
    "filesystems": 5,
    "interpolation": 5,
    "builtin": 6,  # registered by strings; nothing above needs to import it
    "storage": 6,
    "properties": 7,
    "model": 8,
    "progress": 9,
    "execution": 10,
    "ops": 11,
    "dataset": 12,
    "utils": 13,
    "cli": 14,
}

# A part's way back to its whole, for types alone. No other circle is allowed.
BACK = {
    ("wkplug.dataset.layer", "wkplug.dataset.dataset"),
    ("wkplug.dataset.mag_view", "wkplug.dataset.layer"),
}

LONGEST_FILE = 1000  # files are split by what a stranger would look for, not by size
LONGEST_FUNCTION = 60  # lines of its body, docstring aside

# One story that is told in order, and would need its half-made things handed around.
LONGER_FUNCTIONS = {
    "wkplug/ops/copying/layer_copying.py add_layer_as_copy",
    "wkplug/ops/pyramids/upsampling.py upsample",
    "wkplug/ops/transforming/layers.py transform",
    "plugins/images_tiff/src/wkplug_tiff/stack.py write",
}

# What others call private, and there is no public name for: fsspec's drivers are made for overriding it.
PRIVATE_OF_OTHERS = {"wkplug/filesystems _get_kwargs_from_urls"}

# Files that import our own modules inside of functions: what a script that opens and reads must not wait for.
LATE_IMPORTS = {
    "wkplug/__init__.py": "names that plugins export are asked for last",
    "wkplug/abc/arrays.py": "the error of backends that can't list their shards",
    "wkplug/cli/completion.py": "plugins and mags, which few words that are completed need",
    "wkplug/cli/output.py": "bars of progress, which quick commands do without",
    "wkplug/cli/reports.py": "a long file, of whose options a text names some",
    "wkplug/dataset/layer.py": "attachments and exports",
    "wkplug/dataset/view.py": "readers and writers of slices",
    "wkplug/execution.py": "executors bring multiprocessing",
    "wkplug/model/layout.py": "settings of layouts, where nothing else was said",
    "wkplug/model/states.py": "datasets in zip files",
    "wkplug/model/voxels.py": "writes that extend their layer",
    "wkplug/notices.py": "older names of the package",
    "wkplug/progress.py": "settings of bars",
}
MOST_LATE_IMPORTS = 20  # such statements in all

PASS_THROUGHS = 10  # of three and more parameters

# What a class of the core promises and a plugin's class does, with parameters that are seen and checked here.
HANDING_ON = {"wkplug/dataset/legacy/servers.py"}

# The box's own JSON form has carried a format's name since its first days; users' code calls it so.
OLD_METHODS = {"from_wkw_dict", "to_wkw_dict"}

SERVERS = {"remote_http", "server"}  # plugins that speak for servers, or are one

FORMAT_NAMES = re.compile(
    r"\b(wkw|zarr3?|n5|neuroglancer\w*|precomputed|tiff?|tensorstore|ome)\b", re.IGNORECASE
)


def sources(*roots: Path) -> list[Path]:
    return sorted(path for root in roots for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def plugin_sources() -> list[Path]:
    return sources(*sorted(ROOT.glob("plugins/*/src")))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, int]]:
    """Give (module, line) of all that a file imports, for types and inside of functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.extend((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from wkplug.model import voxels` means the module, if there is one of that name.
            found.extend((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
    return found


def module_of(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def arrows(root: Path, package: Path) -> dict[str, set[str]]:
    """Give which module of a package imports which other, whatever it imports it for."""
    paths = {module_of(path, root): path for path in sources(package)}
    result: dict[str, set[str]] = {}
    for module, path in paths.items():
        there = set()
        for name, _ in imports(path):
            target = name if name in paths else name.rpartition(".")[0]
            if target in paths and target != module:
                there.add(target)
        result[module] = there
    return result


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Give the groups of modules of which each can be reached from each other."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in graph[waiting.pop()] - seen:
                seen.add(target)
                waiting.append(target)
        reached[start] = seen
    groups = {
        tuple(sorted({start} | {other for other in reached[start] if start in reached[other]}))
        for start in graph
        if start in reached[start]
    }
    return [list(group) for group in sorted(groups)]


def test_imports_go_down_only() -> None:
    wrong = []
    for path in sources(PACKAGE):
        here = room(path)
        if here not in FLOORS:
            continue
        for module, line in imports(path):
            parts = module.split(".")
            if parts[0] != "wkplug" or len(parts) == 1 or parts[1] in (here, "__version__"):
                continue
            if FLOORS.get(parts[1], 99) >= FLOORS[here]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert wrong == []


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = arrows(ROOT, PACKAGE)
    del graph[
        "wkplug"
    ]  # the package's own names are found by others lazily, and type checkers read them there
    for module, targets in graph.items():
        targets -= {"wkplug"} | {there for here, there in BACK if here == module}
    assert circles(graph) == []


@pytest.mark.parametrize("folder", sorted(ROOT.glob("plugins/*/src")), ids=lambda path: path.parent.name)
def test_no_files_of_a_plugin_import_each_other_in_a_circle(folder: Path) -> None:
    assert circles(arrows(folder, folder)) == []


def test_the_conformance_kit_is_imported_by_nothing_else() -> None:
    users = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in [*sources(PACKAGE), *plugin_sources()]
        if path.is_relative_to(PACKAGE) is False or room(path) != "testing"
        for module, line in imports(path)
        if module.startswith("wkplug.testing")
    ]
    assert users == []


def test_plugins_import_only_what_a_third_party_may() -> None:
    allowed = ("wkplug.abc", "wkplug.geometry", "wkplug.errors")
    # Who speaks for a server changes metadata by operations, and shows datasets of its own.
    of_servers = (*allowed, "wkplug.properties", "wkplug.dataset")
    own = {
        path.parent.name: {folder.name for folder in path.iterdir() if folder.is_dir()}
        for path in ROOT.glob("plugins/*/src")
    }
    packages = {name for names in own.values() for name in names}
    wrong = []
    for path in plugin_sources():
        plugin = path.relative_to(ROOT / "plugins").parts[0]
        for module, line in imports(path):
            top = module.split(".")[0]
            known = of_servers if plugin in SERVERS else allowed
            if (top == "wkplug" and not module.startswith(known)) or (
                top in packages and top not in own[plugin]
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert wrong == []


def test_no_format_is_named_above_the_plugins() -> None:
    wrong = []
    for name in ("model", "dataset", "ops", "properties", "storage"):
        for path in sources(PACKAGE / name):
            if "legacy" in path.parts:
                continue
            for node in ast.walk(_without_docstrings(path)):
                text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
                if isinstance(node, (ast.Name, ast.Attribute)):
                    text = node.id if isinstance(node, ast.Name) else node.attr
                if text and text not in OLD_METHODS and FORMAT_NAMES.search(text.replace("_", " ")):
                    wrong.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', '?')} says {text!r}")
    assert wrong == []


def _without_docstrings(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [
                child
                for child in node.body
                if not (
                    isinstance(child, ast.Expr)
                    and isinstance(child.value, ast.Constant)
                    and isinstance(child.value.value, str)
                )
            ]
    return tree


def test_no_file_is_longer_than_a_stranger_reads() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in [*sources(PACKAGE), *plugin_sources()]
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def test_no_function_is_longer_than_a_page() -> None:
    long = {
        f"{path.relative_to(ROOT)} {function.name}"
        for path in [*sources(PACKAGE), *plugin_sources()]
        for function in functions(_without_docstrings(path))
        if function.body and (function.end_lineno or 0) - function.body[0].lineno >= LONGEST_FUNCTION
    }
    assert long - LONGER_FUNCTIONS == set()


def private_names(path: Path) -> set[str]:
    """Give the private attributes of others that a file uses: those that neither self has nor the file defines."""
    tree = ast.parse(path.read_text())
    own = {"_replace", "_asdict", "_fields", "_make", "_getframe"}  # of named tuples and of sys, documented
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            own.add(node.value)  # in __slots__, or set with object.__setattr__
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            own.add(node.attr)
        elif isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr):
            it = node.value
            base = it.func if isinstance(it, ast.Call) else it
            if not (isinstance(base, ast.Name) and base.id in ("self", "cls", "super")):
                used.add(node.attr)
    return used - own


def test_nothing_reaches_into_private_parts_of_others() -> None:
    found = {
        f"{'/'.join(path.relative_to(ROOT).parts[:2])} {name}"
        for path in [*sources(PACKAGE), *plugin_sources()]
        for name in private_names(path)
    }
    assert found - PRIVATE_OF_OTHERS == set()


def late_imports(path: Path) -> int:
    """Count the statements inside of functions that import our own modules."""
    found = set()
    for function in functions(ast.parse(path.read_text())):
        for node in ast.walk(function):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == "wkplug" for name in names):
                found.add(node.lineno)
    return len(found)


def test_few_functions_import_our_own_modules() -> None:
    """A late import is an arrow that a reader doesn't see; only what start-up time truly asks for may stay."""
    counted = {str(path.relative_to(ROOT)): late_imports(path) for path in sources(PACKAGE)}
    found = {name: count for name, count in counted.items() if count}
    assert set(found) - set(LATE_IMPORTS) == set()
    assert sum(found.values()) <= MOST_LATE_IMPORTS, found


def passes_through(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function of three or more parameters only calls another with the same ones."""
    given = [
        argument.arg
        for argument in [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        if argument.arg not in ("self", "cls")
    ]
    body = [node for node in function.body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    call = getattr(body[0], "value", None) if len(body) == 1 else None
    if len(given) < 3 or not isinstance(call, ast.Call):
        return False
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    handed_on = {value.id for value in values if isinstance(value, ast.Name)}
    return set(given) <= handed_on and len(values) <= len(given) + 1


def test_few_functions_only_hand_on_their_parameters() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for path in [*sources(PACKAGE), *plugin_sources()]
        for function in functions(_without_docstrings(path))
        if passes_through(function) and str(path.relative_to(ROOT)) not in HANDING_ON
    ]
    assert len(found) <= PASS_THROUGHS, found


def test_every_module_has_a_charter() -> None:
    missing = [
        str(path.relative_to(ROOT))
        for path in [*sources(PACKAGE), *plugin_sources()]
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert missing == []


# What is wrong with a value, what a store answered, what is in the way: until whoever knows more makes an error of the
# tree of it, or goes another way.
CAUGHT = {"Wrong", "StoreFailure", "InTheWay"}


def test_every_error_that_users_meet_is_in_the_tree() -> None:
    """Names with an underscore are caught where they are raised; the conformance kit fails tests of others."""
    tops = {name for name in vars(builtins) if name.endswith(("Error", "Exception"))} | set(errors.__all__)
    elsewhere = [
        f"{path.relative_to(ROOT)}:{node.lineno} defines {node.name}"
        for path in sources(PACKAGE)
        if room(path) not in ("errors", "testing")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in CAUGHT
        if tops & {base.id for base in node.bases if isinstance(base, ast.Name)}
    ]
    assert elsewhere == []


def test_shipped_code_holds_no_asserts_and_no_leftovers() -> None:
    wrong = []
    for path in [*sources(PACKAGE), *plugin_sources()]:
        text = path.read_text()
        if room(path) != "testing" if path.is_relative_to(PACKAGE) else True:
            wrong += [
                f"{path.relative_to(ROOT)}:{node.lineno} asserts"
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Assert)
            ]
        wrong += [
            f"{path.relative_to(ROOT)} has {word}"
            for word in ("TODO", "FIXME", "raise NotImplementedError")
            if re.search(rf"\b{word}\b", text)
        ]
    assert wrong == []


@pytest.mark.parametrize(
    "module",
    [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sources(PACKAGE)
        if re.search(r"^__all__", path.read_text(), re.MULTILINE) and "template" not in path.parts
    ],
)
def test_all_is_true(module: str) -> None:
    """That it is sorted is the linter's business."""
    loaded = importlib.import_module(module)
    assert [name for name in loaded.__all__ if not hasattr(loaded, name)] == []


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Give the modules that a fresh interpreter loads for some code, beside its own start."""
    around = "import sys\nbefore = set(sys.modules)\ntry:\n    exec(sys.argv.pop(1))\nexcept SystemExit:\n    pass\n"
    report = "print('', *sorted(set(sys.modules) - before), sep='\\n@')"
    done = subprocess.run(
        [sys.executable, "-c", around + report, code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {line[1:] for line in done.stdout.splitlines() if line.startswith("@")}


def packages_in(modules: set[str]) -> set[str]:
    """Give the packages of others that modules belong to."""
    found = {module.partition(".")[0] for module in modules}
    return {name for name in found - set(sys.stdlib_module_names) if not name.startswith("wkplug")}


def of(modules: set[str], *names: str) -> set[str]:
    """Give those modules that are called so, or belong to what is."""
    return {
        module
        for module in modules
        if module.startswith(tuple(f"{name}." for name in names)) or module in names
    }


def test_importing_the_package_loads_nothing_but_itself() -> None:
    modules = loaded_by("import wkplug")
    assert (packages_in(modules), of(modules, "wkplug")) == (set(), {"wkplug"})


@pytest.mark.parametrize(
    "module", ["wkplug.abc", "wkplug.errors", "wkplug.geometry", "wkplug.registry", "wkplug.config"]
)
def test_the_lower_floors_load_no_numpy_and_no_engine(module: str) -> None:
    assert packages_in(loaded_by(f"import {module}")) <= {"attr", "attrs", "pluggy"}


@pytest.mark.parametrize(
    "module", [f"{path.parent.name}.plugin" for path in sorted(ROOT.glob("plugins/*/src/*/plugin.py"))]
)
def test_hook_modules_load_no_engine(module: str) -> None:
    assert packages_in(loaded_by(f"import {module}")) <= {"attr", "attrs", "pluggy"}


def test_help_loads_no_engine_and_no_data_model() -> None:
    modules = loaded_by("from wkplug.cli.main import main; main(['--help'])")
    assert packages_in(modules) == {"attr", "attrs", "click", "pluggy"}
    unused = [f"wkplug.{name}" for name in ("dataset", "geometry", "ops", "properties", "storage")]
    assert of(modules, *unused, "asyncio", "concurrent", "logging", "multiprocessing", "socket") == set()


def test_every_public_name_of_the_package_is_there() -> None:
    import wkplug

    missing = [name for name in dir(wkplug) if not hasattr(wkplug, name)]
    assert missing == []


READ = """
import wkplug

layer = wkplug.Dataset.open(sys.argv[1]).get_layer("color")
layer.get_mag(1).read(absolute_offset=(0, 0, 0), size=(32, 32, 32))
"""


@pytest.mark.parametrize(
    ("data_format", "engine"), [("wkw", {"lz4"}), ("zarr3", {"ml_dtypes", "tensorstore"})]
)
def test_a_read_loads_only_what_it_needs(data_format: str, engine: set[str], tmp_path: Path) -> None:
    """Scripts and workers start often. How long it takes is measured by the benchmark, next to `import numpy`."""
    import wkplug as wk

    layer = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer(
        "color",
        "color",
        dtype="uint8",
        data_format=data_format,
        bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)),
    )
    layer.add_mag(1)
    modules = loaded_by(READ, str(tmp_path / "ds"))
    assert packages_in(modules) == {"attr", "attrs", "numpy", "pluggy"} | engine
    unused = ("containers", "dialects", "images", "interpolations", "executors", "remotes")
    assert all((PACKAGE / "abc" / f"{name}.py").is_file() for name in unused)
    assert of(modules, "wkplug.cli", "wkplug.ops", "wkplug.registry.files") == set()
    assert of(modules, *(f"wkplug.abc.{name}" for name in unused)) == set()
    if "tensorstore" not in engine:  # which imports most of these itself
        assert (
            of(modules, "asyncio", "concurrent", "logging", "multiprocessing", "socket", "subprocess")
            == set()
        )
