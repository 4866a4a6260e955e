"""Write docs/reference/compatibility.md: every name of every era, looked up in the real objects.

docs/reference/compatibility.toml lists the symbols as facts. Each is looked for here: does the class, method,
property, operator or argument exist, does it take these parameters, in this order, with these defaults. The page
is what was found, so it can't promise what isn't there; `--check` (and tests/test_compatibility.py) fails if a
symbol of the Dataset API is missing or differs, or if the page isn't what this would write.

    python tools/compatibility.py [--check]
"""

from __future__ import annotations

import ast
import inspect
import sys
import tomllib
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

import wkplug
from wkplug.dataset.legacy.parameters import older_names

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "docs" / "reference" / "compatibility.toml"
PAGE = ROOT / "docs" / "reference" / "compatibility.md"

ROOMS = {
    "dataset": "the Dataset API",
    "images": "images in, images out",
    "pyramids": "pyramids",
    "remote": "servers (a plugin)",
}

# Where a default is written in another way here. None lets the setting `default_format` decide, which says zarr3.
# The order of the axes and the like are defaults that callers can't tell apart.
SAME = {
    ("data_format", "'zarr3'"): {"None"},
    ("sampling_mode", "SamplingModes.ANISOTROPIC"): {"'anisotropic'"},
    ("mag", "Mag(1)"): {"1"},
    ("index", "Vec3Int(1, 2, 3)"): {"None"},
    ("segmentation_dtype", "dtype('uint32')"): {"'uint32'"},
}

OPERATORS = {
    "+": "__add__", "-": "__sub__", "*": "__mul__", "//": "__floordiv__", "%": "__mod__", "neg": "__neg__",
    "==": "__eq__", "<": "__lt__", "<=": "__le__", "hash": "__hash__", "[]": "__getitem__", "iter": "__iter__",
    "len": "__len__", "in": "__contains__", "str": "__str__", "repr": "__repr__", "with": "__enter__",
}  # fmt: skip


@attrs.frozen
class Finding:
    """One symbol of the list and what was found."""

    section: str
    symbol: str
    kind: str
    what: tuple[str, ...]
    removed: bool
    work: str
    problem: str | None
    """None: it is there, as it should be."""
    difference: str | None = None
    """What is another way on purpose."""


def root(name: str) -> Any:
    """Give the object of a top-level name; AttributeError if there is none."""
    if name in ("transform", "AbstractTransform", "AffineTransform"):
        from wkplug import ops

        return getattr(ops, name)
    return getattr(wkplug, name)


def look_up(symbol: str) -> Any:
    """Give the object of a dotted symbol, members of classes as they are stored there; AttributeError."""
    first, *rest = symbol.split(".")
    found = root(first)
    for name in rest:
        if inspect.isclass(found):
            if attrs.has(found) and name in {field.name for field in attrs.fields(found)}:
                return next(field for field in attrs.fields(found) if field.name == name)
            if name in _annotations(found) and not hasattr(found, name):
                return _annotations(found)[name]
            try:
                found = inspect.getattr_static(found, name)
            except AttributeError:
                found = getattr(found, name)
        else:
            found = getattr(found, name)
    return found


def _annotations(kind: type) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for base in kind.__mro__:
        known.update(inspect.get_annotations(base))
        slots = base.__dict__.get("__slots__", ())
        known.update(dict.fromkeys((slots,) if isinstance(slots, str) else slots))
    return known


def function_of(found: Any) -> Any:
    """Give the function behind a class, a static method or a class method."""
    if isinstance(found, (staticmethod, classmethod)):
        return found.__func__
    if inspect.isclass(found):
        made_by_new = "__new__" in found.__dict__ or "__init__" not in dir(found)
        own = next((base for base in found.__mro__ if {"__init__", "__new__"} & base.__dict__.keys()), object)
        made_by_new = "__init__" not in own.__dict__
        return found.__new__ if made_by_new else found.__init__
    return found


def shown(value: Any) -> str:
    """Write a default as the list does."""
    if (
        value is attrs.NOTHING
        or type(value).__module__.startswith("attr")
        or value is inspect.Parameter.empty
    ):
        return "..."
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, wkplug.Mag):
        return str(value.x) if value.x == value.y == value.z else repr(value.to_layer_name())
    if isinstance(value, tuple):
        return repr(tuple(value))
    return repr(str(value)) if isinstance(value, str) else repr(value)


def compare(found: Any, wanted: str) -> str | None:
    """Say how a function differs from the parameters in the list; None if it takes all of them."""
    function = function_of(found)
    try:
        signature = inspect.signature(function)
    except ValueError:
        return None
    ours = signature.parameters
    positions = [p.name for p in ours.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    positions = positions[1:] if positions[:1] in (["self"], ["cls"], ["_cls"]) else positions
    open_ended = any(p.kind is p.VAR_KEYWORD for p in ours.values())
    flexible = any(p.kind is p.VAR_POSITIONAL for p in ours.values())
    old = older_names(function)
    problems = []
    source = ast.parse(f"def f({wanted}): pass").body[0]
    args = source.args  # type: ignore[attr-defined]  # the source is a function
    defaults = [None] * (len(args.args) - len(args.defaults)) + list(args.defaults)
    pairs: list[tuple[str, ast.expr | None, int | None]] = [
        (arg.arg, default, index)
        for index, (arg, default) in enumerate(zip(args.args, defaults, strict=True))
    ]
    pairs += [
        (arg.arg, default, None) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    for name, default, position in pairs:
        if name not in ours:
            if name not in old and not open_ended and not (flexible and position is not None):
                problems.append(f"`{name}` is missing")
            continue
        if position is not None and positions[position : position + 1] != [name] and not flexible:
            problems.append(f"`{name}` is not number {position + 1}")
        if default is None:
            continue
        theirs = ast.unparse(default)
        here = shown(ours[name].default)
        if "..." in (theirs, here) or here == theirs or here in SAME.get((name, theirs), ()):
            continue
        if ours[name].default is inspect.Parameter.empty:
            problems.append(f"`{name}` has no default")
        else:
            problems.append(f"`{name}` is {here} by default, not {theirs}")
    return "; ".join(problems) or None


def examine(fact: dict[str, Any]) -> str | None:
    """Say what is wrong with one symbol, None if nothing."""
    symbol, kind, what = fact["symbol"], fact["kind"], fact.get("what", ())
    if kind == "argument":
        from wkplug import registry

        known = {"default", *registry.interpolations()}
        return None if symbol in known else f"there is no interpolation {symbol!r}"
    if kind == "protocol":
        return _executors_take(symbol)
    try:
        found = look_up(symbol)
    except (AttributeError, ImportError):
        return "missing"
    if kind == "operator":
        return None if getattr(found, OPERATORS[what], None) is not None else f"no {what}"
    if kind == "call":
        return None if getattr(found, "__older__", None) else "needs its arguments"
    if kind in ("parameter", "positions"):
        function = function_of(found)
        if kind == "positions":
            return None if older_names(function) else "takes no positions of old"
        taken = {*inspect.signature(function).parameters, *older_names(function)}
        missing = [f"`{name}` is missing" for name in what if name not in taken]
        return "; ".join(missing) or None
    if "parameters" in fact:
        return compare(found, fact["parameters"])
    return None


def _executors_take(method: str) -> str | None:
    """Whether the executors here have a method of the protocol, or users' executors may have it."""
    from wkplug.abc import Executor

    if hasattr(Executor, method):
        return None
    source = (ROOT / "wkplug" / "execution.py").read_text(encoding="utf-8")
    return None if method in source or method == "forward_log" else "not used"


def findings() -> list[Finding]:
    """Look up every symbol of the list."""
    facts = tomllib.loads(FACTS.read_text(encoding="utf-8"))
    result = []
    for section in facts.values():
        for fact in section["symbols"]:
            what = fact.get("what", ())
            problem = examine(fact)
            difference = fact.get("difference") if problem != "missing" else None
            result.append(
                Finding(
                    section["title"],
                    fact["symbol"],
                    fact["kind"],
                    (what,) if isinstance(what, str) else tuple(what),
                    fact.get("removed", False),
                    fact.get("work", "dataset"),
                    None if difference else problem,
                    difference,
                )
            )
    return result


def page(found: list[Finding]) -> str:
    """Write the page."""
    lines = [
        "# Compatibility",
        "",
        "Every name that the Dataset API has had over the years, and whether it is here. `tools/compatibility.py`",
        "writes this page from `compatibility.toml` by looking at the real objects: names, parameters, their order",
        "and their defaults. Spellings of older releases work and come with a `DeprecationWarning` that names today's.",
        "",
        "| section | symbols | here | built elsewhere | missing |",
        "|---|---:|---:|---|---:|",
    ]
    sections = list(dict.fromkeys(one.section for one in found))
    for section in [*sections, "all"]:
        rows = [one for one in found if section in (one.section, "all")]
        here = sum(one.problem is None for one in rows)
        elsewhere = Counter(one.work for one in rows if one.problem and one.work != "dataset")
        listed = ", ".join(f"{count} {room}" for room, count in sorted(elsewhere.items()))
        missing = sum(one.problem is not None and one.work == "dataset" for one in rows)
        lines.append(f"| {section} | {len(rows)} | {here} | {listed or '-'} | {missing} |")
    lines += [
        "",
        "Built elsewhere: " + "; ".join(f"{k}: {v}" for k, v in ROOMS.items() if k != "dataset") + ".",
    ]
    for section in sections:
        lines += ["", f"## {section}", "", "| symbol | kind | here |", "|---|---|---|"]
        for one in (one for one in found if one.section == section):
            what = f" {', '.join(f'`{word}`' for word in one.what)}" if one.what else ""
            state = "yes" if one.problem is None else one.problem
            if one.difference:
                state = f"yes; {one.difference}"
            if one.problem is not None and one.work != "dataset":
                state = f"{ROOMS[one.work]}: {one.problem}"
            elif one.removed or one.kind in ("parameter", "positions", "call"):
                state += ", older" if one.problem is None else ""
            lines.append(f"| `{one.symbol}`{what} | {one.kind} | {state} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say what is wrong with it."""
    found = findings()
    text = page(found)
    wrong = [one for one in found if one.problem is not None and one.work == "dataset"]
    for one in wrong:
        print(f"{one.symbol} {' '.join(one.what)}: {one.problem}", file=sys.stderr)
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text
    if stale:
        print(f"{PAGE.relative_to(ROOT)} is stale: run python tools/compatibility.py", file=sys.stderr)
    return int(bool(wrong) or stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
