"""What the documentation says is true: its code runs, its commands print what it shows, its lists are complete.

The blocks of a page run in order, in one temporary folder and one namespace:

    python    executed; a `text` block right after it shows what it prints
    console   lines after "$ " are commands; those of wkplug and a few of the shell are run, and what is shown
              below them is compared, "..." standing for anything and sizes and times for any others
    toml      a configuration, or part of a pyproject.toml

Servers of a page are on other ports here than it says, so that they don't meet what else runs on this machine.

A first line "# file: NAME" makes a file of a block instead; "# from: PATH" says that the block is a quotation
of that file, cut at lines that are "# ...".
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import wkplug
from tests.servers.emulators import free_port
from wkplug import errors, registry
from wkplug.cli.main import COMMANDS
from wkplug.config import Settings
from wkplug.config.model import flatten
from wkplug.registry import hookspecs
from wkplug.registry.plugins import BACKEND

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("plugins/*/README.md"),
    ]
)
RUN = ("wkplug", "cat", "ls", "mkdir", "python")
PORT = re.compile(r'(?:(?<=127\.0\.0\.1:)|(?<="127\.0\.0\.1", )|(?<="127\.0\.0\.1", port=))\d+')
NOT_RUN = ("make", "git", "pip", "cd", "bash")


class Block(NamedTuple):
    language: str
    line: int
    text: str


def blocks(page: Path) -> Iterator[Block]:
    language: str | None = None
    start, lines = 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            if language is None:
                language, start, lines = line[3:].strip(), number + 1, []
            else:
                yield Block(language, start, "\n".join(lines) + "\n")
                language = None
        elif language is not None:
            lines.append(line)
    assert language is None, f"{page}: a block that begins at line {start - 1} has no end"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --- code and commands ------------------------------------------------------------------------------------


class Runner:
    """Runs the blocks of one page."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.printed: str | None = None
        self.ports = {port: str(free_port()) for port in set(PORT.findall(page.read_text(encoding="utf-8")))}

    def run(self, block: Block) -> None:
        block = block._replace(text=PORT.sub(lambda found: self.ports[found[0]], block.text))
        first, _, rest = block.text.partition("\n")
        printed, self.printed = self.printed, None
        if first.startswith("# file: "):
            target = self.folder / first.removeprefix("# file: ").strip()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(rest, encoding="utf-8")
            return
        if first.startswith("# from: "):
            self.quotation(first.removeprefix("# from: ").strip(), rest, block)
            return
        if block.language == "python":
            # Lines count as in the page, so that a traceback leads there.
            code = compile("\n" * (block.line - 1) + block.text, str(self.page), "exec")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(code, self.names)
            self.printed = out.getvalue()
        elif block.language == "text" and printed is not None:
            self.compare(printed, block.text, block.line)
        elif block.language == "console":
            self.console(block)
        elif block.language == "toml":
            self.toml(block)

    def console(self, block: Block) -> None:
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE):
            command, _, shown = part.partition("\n")
            while command.endswith("\\"):
                more, _, shown = shown.partition("\n")
                command = command[:-1] + more.strip()
            if not command.strip():
                continue
            tool = next(word for word in command.split() if "=" not in word)
            assert tool in (*RUN, *NOT_RUN), f"{self.page}: is '{tool}' to be run or not?"
            if tool in RUN:
                self.command(command, shown, block.line)

    def command(self, command: str, shown: str, line: int) -> None:
        environment = os.environ | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "COLUMNS": "200",
        }
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        said = done.stdout + done.stderr
        fine = done.returncode == 0 or "Error: " in shown
        assert fine, f"{self.page}:{line}: $ {command}\n{said}"
        if shown.strip():
            self.compare(said, shown, line)

    def compare(self, said: str, shown: str, line: int) -> None:
        expected = [re.escape(part.strip()) for part in loose(shown).split("...")]
        found = loose(said.replace(str(self.folder), "/data"))
        assert re.fullmatch("(?s:.*)".join(expected), found), (
            f"{self.page}:{line} shows\n{shown}\nbut it is\n{said}"
        )

    def quotation(self, source: str, text: str, block: Block) -> None:
        content = (ROOT / source).read_text(encoding="utf-8")
        for part in re.split(r"^ *# \.\.\.\n", text, flags=re.MULTILINE):
            assert part.strip("\n") in content, f"{self.page}:{block.line} is not what {source} says:\n{part}"

    def toml(self, block: Block) -> None:
        document = tomllib.loads(block.text)
        if "project" not in document and "build-system" not in document:
            Settings().merged((path, value, "documentation") for path, value in flatten(document))


def loose(text: str) -> str:
    """Take out what differs from run to run and from machine to machine."""
    text = re.sub(r"\b\d+(\.\d+)? (bytes|kB|MB|s)\b", r"# \2", text)
    text = re.sub(r"\d+\.\d+\.\d+", "#.#.#", text)  # versions
    return " ".join(text.split())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    runner = Runner(page, tmp_path)
    try:
        for block in blocks(page):
            runner.run(block)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page: Path) -> None:
    known = {"python", "console", "text", "toml", "json"}
    unknown = {block.line: block.language for block in blocks(page) if block.language not in known}
    assert not unknown


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose)]
    made = {"api/"}  # by tools/docs_pages.py, when the pages are built
    missing = [
        target
        for target in targets
        if target and "://" not in target and not any(part in f"/{target}" for part in made)
        if not (page.parent / target).exists()
    ]
    assert not missing


# --- completeness -----------------------------------------------------------------------------------------


def test_the_reference_lists_every_public_name_and_no_other() -> None:
    text = (ROOT / "docs/reference/index.md").read_text(encoding="utf-8")
    listed = re.findall(r"`wk\.(\w+)`", text)
    assert sorted(set(listed)) == dir(wkplug), "run: python tools/docs_lists.py"
    assert len(listed) == len(set(listed)), "a name is listed twice"


def test_every_public_name_has_a_docstring() -> None:
    bare = [
        name
        for name in dir(wkplug)
        if (inspect.isclass(value := getattr(wkplug, name)) or inspect.isroutine(value))
        and not inspect.getdoc(value)
    ]
    assert not bare


def test_the_lists_of_public_names_are_true() -> None:
    for name in ("wkplug.abc", "wkplug.errors", "wkplug.geometry", "wkplug.properties", "wkplug.testing"):
        module = importlib.import_module(name)
        assert [each for each in module.__all__ if not hasattr(module, each)] == []


def test_every_hook_is_documented_with_its_signature_and_what_it_gives() -> None:
    text = (ROOT / "docs/plugins/hooks.md").read_text(encoding="utf-8")
    sections = {
        match[1]: (match[2], match[3])
        for match in re.finditer(r"^### `(\w+)\((.*?)\) -> ([^`]+)`", text, re.MULTILINE)
    }
    assert sorted(sections) == hookspecs.__all__
    for name, (arguments, gives) in sections.items():
        tree = ast.parse(inspect.getsource(getattr(hookspecs, name)).strip())
        function = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        assert ast.unparse(function.args) == arguments, name
        assert function.returns is not None
        assert ast.unparse(function.returns) == gives, name


def test_every_spec_is_documented_with_its_fields() -> None:
    from wkplug.abc import specs

    text = (ROOT / "docs/plugins/hooks.md").read_text(encoding="utf-8")
    common = set(specs.Spec.fields())
    for name in specs.__all__:
        kind = getattr(specs, name)
        if not name.endswith("Spec") or name in ("Spec", "SettingsSpec", "CommandSpec"):
            continue
        row = next((line for line in text.splitlines() if line.startswith(f"| `{name}`")), "")
        own = set(kind.fields()) - common
        assert set(re.findall(r"`(\w+)`", row)) - {name} == own, name


def test_the_tree_of_errors_is_that_of_the_code() -> None:
    assert errors.__doc__ is not None
    tree = errors.__doc__[errors.__doc__.index("WkplugError\n") :].strip()
    shown = next(b for b in blocks(ROOT / "docs/reference/errors.md") if b.text.startswith("WkplugError\n"))
    assert shown.text.strip() == tree, "run: python tools/docs_lists.py"
    assert (
        sorted(set(re.findall(r"\b[A-Z]\w+(?:Error|Exception)\b", tree)) & set(errors.__all__))
        == errors.__all__
    )


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs/reference/command-line.md").read_text(encoding="utf-8")
    assert re.findall(r"^## `wkplug ([\w-]+)", text, re.MULTILINE) == list(COMMANDS)


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs/howto/configuration.md").read_text(encoding="utf-8")
    keys = {key.partition("[")[0] for key, _, _ in Settings().entries()}
    missing = [key for key in sorted(keys) if f"`{key}`" not in text]
    assert not missing


@pytest.mark.long
def test_the_pages_can_be_built(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site/reference/api/dataset/index.html").exists()


def test_the_table_of_engines_is_what_is_offered() -> None:
    text = (ROOT / "docs/howto/engines.md").read_text(encoding="utf-8")
    told = {
        (found[1], found[2], found[3] == "yes")
        for found in re.finditer(r"^\| `(\w+)` \| `([\w+]+)` \| (yes|no) \|", text, re.MULTILINE)
    }
    offers = registry.current_registry().offers(BACKEND)
    bundled = {
        "wkw+numpy",
        *(f"{name}+{engine}" for name in ("zarr", "zarr3") for engine in ("zarr", "tensorstore")),
    }
    bundled |= {"n5+tensorstore", "neuroglancerPrecomputed+tensorstore"}
    assert told == {
        (offer.spec.format, offer.spec.name, offer.spec.writes)
        for offer in offers
        if offer.spec.name in bundled
    }
