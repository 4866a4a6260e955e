"""Hooks of mkdocs: the reference's detail pages, made of `__all__` and docstrings when the documentation is built.

They are never kept in the repository, so that they can't be out of date.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGES = {
    # page -> title, modules
    "dataset": ("Datasets", ("wkplug",)),
    "geometry": ("Geometry", ("wkplug.geometry",)),
    "properties": ("Properties", ("wkplug.properties",)),
    "errors": ("Errors", ("wkplug.errors",)),
    "abc": ("The contract for plugins", ("wkplug.abc",)),
    "grids": ("Boxes and grids", ("wkplug.geometry.grids",)),
    "testing": ("The conformance kit", ("wkplug.testing",)),
    "registry": ("The registry", ("wkplug.registry",)),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to what mkdocs found in docs/."""
    for name, (title, modules) in PAGES.items():
        text = f"# {title}\n\n" + "\n".join(page_of(module) for module in modules)
        files.append(File.generated(config, f"reference/api/{name}.md", content=text))
    return files


def page_of(name: str) -> str:
    """Give the Markdown of one module."""
    module = import_module(name)
    parts = [f"Module `{name}`.", ""]
    names = set(getattr(module, "__all__", dir(module)))
    if name == "wkplug":  # without what has pages of its own
        names -= {
            each for other in ("errors", "geometry", "properties") for each in getattr(module, other).__all__
        }
    for public in sorted(names, key=str.lower):
        parts += entry(public, getattr(module, public), level=2)
    return "\n".join(parts) + "\n"


def entry(name: str, value: Any, *, level: int) -> Iterator[str]:
    """Iterate over the lines about one name: heading with signature, docstring, members."""
    heading = "#" * level
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        yield from (f"{heading} `{name}`", "", f"`{value!r}`"[:300], "")
        return
    yield from (f"{heading} `{name}`", "", "```text", f"{name}{signature(value)}", "```", "")
    yield from markdown(inspect.getdoc(value) or "")
    if not inspect.isclass(value):
        return
    for member, attribute in sorted(members(value).items()):
        if member.startswith("_"):
            continue
        function = getattr(attribute, "fget", None) or getattr(attribute, "__func__", attribute)
        if not inspect.isfunction(function) or not function.__doc__:
            continue
        shown = member if isinstance(attribute, property) else f"{member}{signature(function)}"
        yield from (f"**`{shown}`**", "")
        yield from markdown(inspect.getdoc(function) or "")


def members(kind: type) -> dict[str, Any]:
    """Give what a class has of its own and of the unlisted bases that it is put together of; no older names."""
    public = set(dir(import_module("wkplug")))
    listed = [base for base in kind.__mro__[1:] if base.__name__ in public]
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        part = re.match(r"wkplug\.dataset\.(?!legacy)", base.__module__)
        if base is kind or (part and not any(issubclass(one, base) for one in listed)):
            found |= vars(base)
    return found


def signature(value: Any) -> str:
    """Give the parameters with their types, or nothing where Python doesn't know them."""
    try:
        text = str(inspect.signature(value))
    except (ValueError, TypeError):
        return ""
    return text.replace("'", "")


def markdown(text: str) -> Iterator[str]:
    """Iterate over a docstring's lines as Markdown: "name: what" lines become a list, drawings stay as they are."""
    drawing = any(character in text for character in "├└│")
    if drawing:
        yield from ("```text", text, "```", "")
        return
    for line in text.splitlines():
        match = re.match(r"(\w[\w, ]{0,40}): (.+)", line)
        yield f"* `{match[1]}`: {match[2]}" if match else line
    yield ""
