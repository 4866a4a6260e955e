"""What can be configured: `Settings`, its fields, and how a raw value becomes one of them.

Values come in raw from files, variables and callers (`wkplug.config.sources` finds them) as a path of keys
and a value; `Settings.merged` checks them and lays them over what is there. Every value remembers where it
came from, because `wkplug config` and `wkplug explain` say so.

Settings are frozen and pickle: executors carry a snapshot to their workers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import attrs

from wkplug.errors import ConfigError
from wkplug.notices import did_you_mean

__all__ = ["DEFAULT", "KeyPath", "Rule", "Settings", "Table", "flag", "flatten", "grouped", "known_keys"]

KeyPath: TypeAlias = tuple[str, ...]
"""Keys from the outside in, as in a file: ("plugins", "blocked"), ("backends", "zarr3")."""

DEFAULT = "default"


class Table(Mapping[str, Any]):
    """An immutable mapping that pickles and compares like a dict; tables inside are Tables, lists tuples."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] | None = None) -> None:
        self._items = {str(key): _freeze(value) for key, value in (items or {}).items()}

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Table({self._items!r})"

    def __hash__(self) -> int:
        return hash(frozenset(self._items))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Table, (self.plain(),))

    def plain(self) -> dict[str, Any]:
        """Give a deep copy of dicts and lists, for code that insists on them."""
        return {key: _thaw(value) for key, value in self._items.items()}


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value if isinstance(value, Table) else Table(value)
    if isinstance(value, (list, tuple)):
        return tuple(_freeze(item) for item in value)
    return value


def _thaw(value: Any) -> Any:
    if isinstance(value, Table):
        return value.plain()
    return [_thaw(item) for item in value] if isinstance(value, tuple) else value


class Rule(NamedTuple):
    """One `[[rules]]` entry: choices for all places whose URL matches.

    `match` is a glob over the whole URL or absolute path: `*` stays within a folder, `**` doesn't, and a
    trailing `/**` takes the folder itself too. `format` settles which format an array has whose properties
    don't say.
    """

    match: str
    format: str | None = None
    backends: Table = Table()
    readers: Table = Table()
    source: str = DEFAULT

    def matches(self, url: str) -> bool:
        """Whether the rule is about this place."""
        url = url.removeprefix("file://").rstrip("/")
        pattern = self.match.removeprefix("file://")
        tail = "(?:/.*)?" if pattern.endswith("/**") else ""
        parts = re.split(r"(\*\*|\*|\?)", pattern.removesuffix("/**") if tail else pattern)
        wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
        return (
            re.fullmatch("".join(wild.get(part, re.escape(part)) for part in parts) + tail, url) is not None
        )


# --- how raw values become fields -------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text is needed")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError("a list of texts is needed")
    return tuple(value)


_FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def flag(value: Any) -> bool:
    """Give a truth value for itself, or for the words that variables have for it; ValueError for all else."""
    if isinstance(value, bool):
        return value
    known = {**_FLAGS, "": False}
    if not isinstance(value, str) or value.strip().lower() not in known:
        raise ValueError(f"true or false is needed (in a variable, one of {', '.join(_FLAGS)})")
    return known[value.strip().lower()]


def _flag_or_auto(value: Any) -> bool | None:
    if value is None or (isinstance(value, str) and value.lower() == "auto"):
        return None
    try:
        return flag(value)
    except ValueError:
        raise ValueError(
            f"true, false or auto is needed (in a variable, one of {', '.join(_FLAGS)}, auto)"
        ) from None


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("a number of seconds is needed")  # noqa: TRY004 - as all converters here
    try:
        seconds = float(value)
    except ValueError:
        raise ValueError("a number of seconds is needed") from None
    if not 0 <= seconds < float("inf"):
        raise ValueError("it must not be negative or infinite")
    return seconds


def _count(value: Any) -> int:
    try:
        count = int(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else 0
    except ValueError:
        count = 0
    if count < 1:
        raise ValueError("a whole number above 0 is needed")
    return count


def _optional_count(value: Any) -> int | None:
    return None if value is None else _count(value)


def _three_counts(value: Any) -> tuple[int, int, int] | None:
    if value is None:
        return None
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, int):
        parts = (parts,)
    numbers = [_count(part.strip() if isinstance(part, str) else part) for part in parts]
    if len(numbers) not in (1, 3) or any(number & (number - 1) for number in numbers):
        raise ValueError('one power of two, or three for x, y and z, is needed ("32" or "32,32,32")')
    return (numbers * 3)[0], (numbers * 3)[1], (numbers * 3)[2]


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("a table is needed")  # noqa: TRY004 - as all converters here
    return value


_SCALARS: dict[KeyPath, Callable[[Any], Any]] = {
    ("chunks_per_shard",): _three_counts,
    ("default_format",): _text,
    ("lock_timeout",): _seconds,
    ("max_read_bytes",): _optional_count,
    ("plugins", "blocked"): _names,
    ("plugins", "enabled"): _names,
    ("plugins", "required"): _names,
    ("progress",): _flag_or_auto,
    ("retries", "attempts"): _count,
    ("retries", "deadline"): _seconds,
    ("strict",): flag,
    ("trace",): flag,
    ("trusted_places",): _names,
}
# Tables: how many keys lead to one value, and what that value is. Entries of several sources are merged.
_TABLES: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "backends": (1, _text),
    "filesystems": (1, _text),
    "plugin": (2, _freeze),
    "readers": (1, _names),
    "storage": (2, _freeze),
}
_GROUPS = tuple(sorted({path[0] for path in _SCALARS if len(path) > 1}))
_RULE_KEYS = ("backends", "format", "match", "readers")


@attrs.frozen(kw_only=True)
class Settings:
    """Everything that can be configured, and where each value came from; made by `wkplug.config.current`.

    default_format: the data format of new datasets. chunks_per_shard: along x, y, z, for new arrays whose
    shard shape nobody gave; None leaves it to the format. lock_timeout: seconds. retries_attempts: how often a
    request to a store is made at most. retries_deadline: seconds for all tries of one. max_read_bytes: the largest
    result of one read; None is half of the machine's memory. backends: format -> implementation. readers:
    suffix -> names, best first. filesystems: URL scheme -> name. storage: URL prefix -> options. plugin:
    plugin's name -> its own table. progress: whether long calls show a bar; None where a terminal or a notebook
    shows it. strict: a broken plugin is an error. trace: tell stderr about hook calls.
    trusted_places: paths and URLs, with all below, that datasets may name although they lie outside; "*" is everything.
    """

    default_format: str = "zarr3"
    plugins_enabled: tuple[str, ...] = ("*",)
    plugins_blocked: tuple[str, ...] = ()
    plugins_required: tuple[str, ...] = ()
    backends: Table = attrs.field(factory=Table)
    readers: Table = attrs.field(factory=Table)
    filesystems: Table = attrs.field(factory=Table)
    rules: tuple[Rule, ...] = ()
    storage: Table = attrs.field(factory=Table, repr=False)  # may hold secrets
    plugin: Table = attrs.field(factory=Table, repr=False)  # the same
    lock_timeout: float = 60.0
    retries_attempts: int = 6
    retries_deadline: float = 60.0
    max_read_bytes: int | None = None
    chunks_per_shard: tuple[int, int, int] | None = None
    progress: bool | None = None
    strict: bool = False
    trace: bool = False
    trusted_places: tuple[str, ...] = ()
    sources: Mapping[KeyPath, str] = attrs.field(factory=dict, repr=False, eq=False)

    def source_of(self, key: str | KeyPath) -> str:
        """Say where a value came from: `plugins_blocked`, `plugins.blocked`, `backends.zarr3`, or a path.

        "default", a file with its line, a variable, or "wkplug.settings(...)". A whole table gives all of its
        sources.
        """
        wanted = key if isinstance(key, str) else ".".join(key)
        for group in _GROUPS:
            wanted = wanted.replace(f"{group}_", f"{group}.")
        found = {
            source
            for path, source in self.sources.items()
            if ".".join(path) == wanted or ".".join(path).startswith(f"{wanted}.")
        }
        return ", ".join(sorted(found)) or DEFAULT

    def entries(self) -> Iterator[tuple[str, Any, str]]:
        """Iterate over (key as in a file, value, source), sorted; the tables entry by entry."""
        for path in sorted(_SCALARS):
            yield ".".join(path), getattr(self, "_".join(path)), self.source_of(path)
        for name, (depth, _) in sorted(_TABLES.items()):
            for path, value in _leaves(getattr(self, name), depth):
                yield ".".join((name, *map(_quoted, path))), value, self.source_of((name, *path))
        for number, rule in enumerate(self.rules, 1):
            value = {"match": rule.match, "format": rule.format, **rule.backends, **rule.readers}
            yield f"rules[{number}]", {k: v for k, v in value.items() if v is not None}, rule.source

    def storage_options(self, url: str) -> dict[str, Any]:
        """Give the options configured for a place: those of all prefixes of its URL, longer ones on top."""
        options: dict[str, Any] = {}
        for prefix in sorted(self.storage, key=len):
            if url == prefix or url.startswith(prefix.rstrip("/") + "/"):
                options |= self.storage[prefix].plain()
        return options

    def plugin_table(self, name: str) -> Table:
        """Give what stands under `[plugin.NAME]`; names from variables come in lower case."""
        exact = self.plugin.get(name, self.plugin.get(name.lower().replace("-", "_"), Table()))
        return exact if isinstance(exact, Table) else Table()

    def merged(self, values: Iterable[tuple[KeyPath, Any, str]]) -> Settings:
        """Lay (path, raw value, source) triples over these settings, later ones on top.

        ConfigError if a key is unknown or a value can't be.
        """
        changes: dict[str, Any] = {}
        tables: dict[str, dict[str, Any]] = {}
        sources = dict(self.sources)
        rules: list[Rule] = []
        for path, raw, source in values:
            if path == ("rules",):
                rules.append(_rule(raw, source))
                continue
            value = _converted(path, raw, source)
            if path in _SCALARS:
                changes["_".join(path)] = value
            else:
                branch = tables.setdefault(path[0], getattr(self, path[0]).plain())
                for key in path[1:-1]:
                    branch = branch.setdefault(key, {})
                branch[path[-1]] = value
            sources[path] = source
        changes |= {name: Table(table) for name, table in tables.items()}
        return attrs.evolve(self, **changes, rules=(*rules, *self.rules), sources=sources)


def known_keys() -> list[str]:
    """Give every key of a file's first level."""
    return sorted({path[0] for path in _SCALARS} | set(_TABLES) | {"rules"})


def grouped(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Write keywords as a file has them: what `plugins_blocked` says stands there in the table `plugins`."""
    document: dict[str, Any] = {}
    for keyword, value in keywords.items():
        group, _, key = keyword.partition("_")
        if group in _GROUPS and key:
            document.setdefault(group, {})[key] = value
        else:
            document[keyword] = value
    return document


def flatten(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    """Iterate over the (path, raw value) pairs of a file's document or of `settings(...)` arguments."""
    for key, value in document.items():
        if key in _TABLES:
            depth = _TABLES[key][0]
            yield from (((key, *path), leaf) for path, leaf in _leaves(value, depth, at=(key,)))
        elif key in _GROUPS and isinstance(value, Mapping):
            yield from (((key, inner), leaf) for inner, leaf in value.items())
        elif key == "rules" and isinstance(value, (list, tuple)):
            # The first rule that matches wins, and `merged` puts what comes later in front of what is there.
            yield from ((("rules",), rule) for rule in value)
        else:
            yield (key,), value


def _leaves(value: Any, depth: int, *, at: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"'{'.'.join(at)}' is not a table.")
    for key, inner in value.items():
        if depth == 1:
            yield (str(key),), inner
        else:
            for path, leaf in _leaves(inner, depth - 1, at=(*at, str(key))):
                yield (str(key), *path), leaf


def _converted(path: KeyPath, raw: Any, source: str) -> Any:
    convert = _SCALARS.get(path)
    if convert is None and path and path[0] in _TABLES and len(path) == _TABLES[path[0]][0] + 1:
        convert = _TABLES[path[0]][1]
    dotted = ".".join(path)
    if convert is None:
        inside = [key[1] for key in _SCALARS if len(key) == 2 and key[0] == path[0]]
        guess = (
            did_you_mean(path[1], inside) if len(path) > 1 and inside else did_you_mean(path[0], known_keys())
        )
        raise ConfigError(f"Unknown key '{dotted}' ({source}).{guess}")
    try:
        return convert(raw)
    except ValueError as error:
        raise ConfigError(f"'{dotted}' can't be {raw!r} ({source}): {error}.") from error


def _rule(raw: Any, source: str) -> Rule:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("match"), str):
        raise ConfigError(
            f"A rule needs a text 'match' ({source}).", hint='[[rules]]\nmatch = "s3://archive/**"'
        )
    for key in raw:
        if key not in _RULE_KEYS:
            raise ConfigError(f"Unknown key '{key}' in a rule ({source}).{did_you_mean(key, _RULE_KEYS)}")
    try:
        return Rule(
            match=raw["match"],
            format=None if raw.get("format") is None else _text(raw["format"]),
            backends=Table({k: _text(v) for k, v in _table(raw.get("backends", {})).items()}),
            readers=Table({k: _names(v) for k, v in _table(raw.get("readers", {})).items()}),
            source=source,
        )
    except ValueError as error:
        raise ConfigError(f"The rule for '{raw['match']}' is wrong ({source}): {error}.") from error


def _quoted(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key) else f'"{key}"'
