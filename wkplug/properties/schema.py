"""How keys of datasource-properties.json become attributes, and what may stand there: one table a class.

The classes of the metadata (`models`, `view_configuration`) are the tables. Each attribute is a `Field`: its key is the
attribute's name in camel case, and its `kind` says how the value is checked, read and written. `check_fields`, `read`
and `write` go through the table; nobody else names the fields. A new one is one line in its class:

    mappings: list[str] = attrs.field(factory=list, metadata=TEXTS)

Checks are made for speed: they run over every key of every layer at each opening, so texts and paths of keys are made
only for complaints. Names of layers and the word `elementClass` have their rules here, too.

Not here: what several keys say together, such as a layer's box (`models`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import attrs

from wkplug.errors import LayerNameError, MissingPropertyError, PropertiesError, UnsupportedDtypeError
from wkplug.properties.document import merge

__all__ = [
    "OVER_SEVERAL_KEYS", "SEGMENT_ID", "TEXT", "TEXTS", "Field", "Wrong", "anything", "check_depth", "check_each",
    "check_element_class", "check_existing_layer_name", "check_fields", "check_layer_name", "check_list",
    "check_object", "check_text", "describe", "dtype_from_element_class", "element_class_from_dtype",
    "existing_name_problem", "fields_of", "guess_num_channels", "kind", "missing", "num_channels_of", "plain",
    "read", "write", "wrong",
]  # fmt: skip

ModelT = TypeVar("ModelT")

DEEPEST = 64
"""Levels of nesting, from the document on; the known keys need eight."""

_LONGEST_SHOWN = 60


# --- complaints -------------------------------------------------------------------------------------------


class Wrong(Exception):  # noqa: N818 - users never meet it: who knows the file makes a PropertiesError of it
    """What is wrong with a value, and the path to it from where the check began."""

    def __init__(
        self,
        text: str,
        path: str = "",
        *,
        hint: str | None = None,
        error: type[PropertiesError] = PropertiesError,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.path = path
        self.hint = hint
        self._error = error

    def at(self, key: str) -> Wrong:
        """The same, as seen from the object that holds the value under `key`."""
        between = "." if key and self.path and not self.path.startswith("[") else ""
        self.path = f"{key}{between}{self.path}"
        return self

    def in_file(self, file: str) -> PropertiesError:
        """The error for users: file, path and text."""
        return self._error(f"{file}: {self.path}{self.text}", hint=self.hint)


def wrong(text: str, path: str = "") -> Wrong:
    """A complaint: "<path> <text>."."""
    return Wrong(f" {text}.", path)


def missing(path: str, hint: str | None = "Restore the file from a backup, or add the key.") -> Wrong:
    """The complaint about a missing key."""
    return Wrong(" is missing.", path, hint=hint, error=MissingPropertyError)


def describe(value: Any) -> str:
    """Show a value in an error text, shortened, by JSON's names."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list) and len(value) > 4:
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


# --- the table --------------------------------------------------------------------------------------------


def anything(value: Any) -> None:
    """Check nothing."""


def plain(value: Any, old: Any = None) -> Any:
    """Turn what users assign (vectors, tuples, numpy numbers, nested values) into JSON values."""
    del old
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return [plain(item) for item in value]


class Kind(NamedTuple):
    """How the values of a key are checked, read and written.

    check: raises `Wrong`. parse: gives the attribute's value for that of the file, None for the attribute's default.
    dump: gives the file's value for the attribute's and for what the file has there now; None leaves the key out.
    """

    check: Callable[[Any], None]
    parse: Callable[[Any], Any] | None
    dump: Callable[[Any, Any], Any]


class Field(NamedTuple):
    """One attribute of a model, and the key where the file has it."""

    key: str
    attribute: str
    required: bool
    check: Callable[[Any], None]
    parse: Callable[[Any], Any] | None
    dump: Callable[[Any, Any], Any]


def kind(
    check: Callable[[Any], None] = anything,
    parse: Callable[[Any], Any] | None = None,
    dump: Callable[[Any, Any], Any] = plain,
) -> dict[str, Kind]:
    """Describe the values of a key, for `attrs.field(metadata=...)`; see `Kind`. None reads them as they are."""
    return {"kind": Kind(check, parse, dump)}


OVER_SEVERAL_KEYS: dict[str, None] = {"kind": None}
"""For attributes without a key of their own; reading and writing them is up to functions of the model."""


class _Table(NamedTuple):
    fields: tuple[Field, ...]
    checks: tuple[tuple[str, bool, Callable[[Any], None]], ...]
    reads: tuple[tuple[str, str, Callable[[Any], Any] | None], ...]


_TABLES: dict[object, _Table] = {}


def fields_of(model: type[Any]) -> tuple[Field, ...]:
    """Give the table of a model, in the order of its attributes."""
    return _table_of(model).fields


def _table_of(model: type[Any]) -> _Table:
    if model not in _TABLES:
        fields = tuple(
            Field(_camel(field.name), field.name, field.default is attrs.NOTHING, *described)
            for field in attrs.fields(model)
            if (described := field.metadata.get("kind", Kind(anything, None, plain))) is not None
        )
        _TABLES[model] = _Table(
            fields,
            tuple(
                (field.key, field.required, field.check) for field in fields if field.check is not anything
            ),
            tuple((field.key, field.attribute, field.parse) for field in fields),
        )
    return _TABLES[model]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def check_fields(model: type[Any], raw: Mapping[str, Any]) -> None:
    """Check the values; null is like a missing key where the attribute has a default."""
    key = ""
    try:
        for key, required, check in _table_of(model).checks:
            value = raw.get(key)
            if value is not None:
                check(value)
            elif required:
                if key not in raw:
                    raise missing("", hint=None)
                check(None)
    except Wrong as problem:
        raise problem.at(key) from problem.__cause__


def check_each(values: Iterable[Any], check: Callable[[Any], None]) -> None:
    """Check the values of a list."""
    index = 0
    try:
        for index, value in enumerate(values):  # noqa: B007 - the complaint needs it
            check(value)
    except Wrong as problem:
        raise problem.at(f"[{index}]") from problem.__cause__


def read(model: type[ModelT], raw: Mapping[str, Any], **given: Any) -> ModelT:
    """Make the model of a checked object; `given` are the attributes without a key."""
    for key, attribute, parse in _table_of(model).reads:
        value = raw.get(key)
        if value is not None:
            given[attribute] = value if parse is None else parse(value)
    return model(**given)


def write(model: Any, old: Any = None) -> dict[str, Any]:
    """Make the object of a model, without what is None; what `old` has besides stays, in its place."""
    fields = fields_of(type(model))
    before = old if isinstance(old, dict) else {}
    new: dict[str, Any] = {}
    for field in fields:
        value = getattr(model, field.attribute)
        if value is not None:
            written = field.dump(value, before.get(field.key))
            if written is not None:
                new[field.key] = written
    if not before:
        return new
    keys = tuple(field.key for field in fields)
    return merge(before, new, frozenset(keys), keys)


# --- kinds of values --------------------------------------------------------------------------------------


def check_depth(value: Any, above: int) -> None:
    """Refuse nesting that is deeper than any real file's; `above` levels are above the value."""
    if type(value) not in (dict, list):
        return
    # Level by level, so that no recursion limit is met.
    level: list[Any] = [value]
    for _ in range(DEEPEST - above):
        level = [
            item
            for parent in level
            for item in (parent.values() if type(parent) is dict else parent)
            if type(item) in (dict, list)
        ]
        if not level:
            return
    raise wrong(f"is nested too deeply, more than {DEEPEST} levels")


def check_list(value: Any) -> None:
    """Check that it is a list."""
    if type(value) is not list:
        raise wrong(f"must be a list, not {describe(value)}")


def check_object(value: Any) -> None:
    """Check that it is a JSON object."""
    if type(value) is not dict:
        raise wrong(f"must be an object, not {describe(value)}")


def check_text(value: Any) -> None:
    """Check that it is a text."""
    if type(value) is not str:
        raise wrong(f"must be a text, not {describe(value)}")


def _check_texts(value: Any) -> None:
    if type(value) is not list or not all(isinstance(item, str) for item in value):
        raise wrong(f"must be a list of texts, not {describe(value)}")


def _read_segment_id(value: Any) -> int:
    """Read an id in any of its spellings.

    Numbers beyond 2^53 - 1, which JavaScript would round, are objects of text: {"customJsonEncoding": "bigint",
    "value": "..."}.
    """
    number = value
    if type(value) is dict and value.get("customJsonEncoding") == "bigint":
        number = value.get("value")
    if type(number) is int:
        return number
    if type(number) is float and number.is_integer():
        return int(number)
    if type(number) is str and len(number) < 40:
        digits = number.removeprefix("-")
        if digits.isascii() and digits.isdigit():
            return int(number)
    raise Wrong(
        f" must be a whole number or null, not {describe(value)}.",
        hint='Numbers beyond 2^53 - 1 are written as {"customJsonEncoding": "bigint", "value": "..."}.',
    )


def _check_segment_id(value: Any) -> None:
    _read_segment_id(value)


def _dump_segment_id(value: Any, old: Any) -> Any:
    del old
    if isinstance(value, dict):
        return value
    if abs(value) < 1 << 53:
        return int(value)
    return {"customJsonEncoding": "bigint", "value": str(int(value))}


TEXT = kind(check_text)
TEXTS = kind(_check_texts, list, lambda texts, _: [str(text) for text in texts] or None)
SEGMENT_ID = kind(_check_segment_id, _read_segment_id, _dump_segment_id)


# --- names ------------------------------------------------------------------------------------------------
#
# New names are strict: they become folders on every platform and parts of URLs. Names that a file already holds are
# taken more generously, since they can't be helped; refused are only those that would lead out of the dataset or break
# terminals and logs.

_NEW = re.compile(r"[A-Za-z0-9_$@\-]+[A-Za-z0-9_$@\-.]*")
_LONGEST = 255
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HINT = "Use letters, digits and _ $ @ - and, after the first character, dots."


def check_layer_name(name: str, *, what: str = "layer") -> str:
    """Give the name if a new layer may have it, otherwise raise LayerNameError (a ValueError).

    `what` is what the text calls the thing ("layer", "attachment").
    """
    problem = _new_name_problem(name)
    if problem is not None:
        raise LayerNameError(f"The {what} name {name!r} is invalid: it {problem}.", hint=_HINT)
    return name


def check_existing_layer_name(name: str) -> str:
    """Give a name that a file holds; LayerNameError where it is dangerous. Blanks and the like are fine."""
    problem = existing_name_problem(name)
    if problem is not None:
        raise LayerNameError(f"The layer name {name!r} is invalid: it {problem}.")
    return name


def existing_name_problem(name: object) -> str | None:
    """Say why a name in a file can't be used, None if it can."""
    if not isinstance(name, str):
        return "is not a text"
    if not name:
        return "is empty"
    if name.startswith("."):
        return "starts with a dot"
    if "/" in name or "\\" in name:
        return "contains a slash"
    if _CONTROL.search(name):
        return "contains a control character"
    return None


def _new_name_problem(name: object) -> str | None:
    problem = existing_name_problem(name)
    if problem is not None or not isinstance(name, str):
        return problem
    if not _NEW.fullmatch(name):
        return "contains other characters than letters, digits, underscores, hyphens, dots, $ and @"
    if name.endswith("."):
        return "ends with a dot, which some systems drop"
    if name.partition(".")[0].lower() in _RESERVED:
        return "is reserved by Windows"
    if len(name) > _LONGEST:
        return f"is longer than {_LONGEST} characters"
    return None


# --- elementClass -----------------------------------------------------------------------------------------
#
# The word for dtype and channels is the dtype's name with its bits multiplied by the number of channels ("uint24" is
# three channels of uint8), but "float" and "double" stand for one channel of float32 and float64.

_WORD = re.compile(r"(u?int|float)([0-9]{1,6})")
_DTYPES = frozenset(
    f"{kind}{bits}"
    for kind in ("uint", "int", "float")
    for bits in (8, 16, 32, 64)
    if (kind, bits) != ("float", 8)
)
_WORDS_OF_ONE = {"float": "float32", "double": "float64", "bool": "bool"}


@lru_cache(maxsize=256)
def dtype_from_element_class(element_class: str, num_channels: int) -> str:
    """Give numpy's name of one channel's dtype; UnsupportedDtypeError where word and channels don't fit."""
    if element_class in _WORDS_OF_ONE:
        if num_channels == 1:
            return _WORDS_OF_ONE[element_class]
    else:
        match = _WORD.fullmatch(element_class)
        if match is not None and num_channels > 0:
            bits, rest = divmod(int(match[2]), num_channels)
            dtype = f"{match[1]}{bits}"
            if rest == 0 and dtype in _DTYPES:
                return dtype
    channels = "1 channel" if num_channels == 1 else f"{num_channels} channels"
    raise UnsupportedDtypeError(f"{element_class!r} with {channels} is no dtype.")


@lru_cache(maxsize=256)
def element_class_from_dtype(dtype: str, num_channels: int) -> str:
    """Give the word for a dtype, by numpy's name, and a number of channels."""
    if dtype == "bool" and num_channels == 1:
        return dtype
    match = _WORD.fullmatch(dtype)
    if match is None or dtype not in _DTYPES:
        raise UnsupportedDtypeError(
            f"{dtype!r} is no dtype that a layer can have.", hint=f"Use one of {', '.join(sorted(_DTYPES))}."
        )
    if num_channels < 1:
        raise UnsupportedDtypeError(f"A layer can't have {num_channels} channels of {dtype}.")
    if num_channels == 1 and dtype in ("float32", "float64"):
        return "float" if dtype == "float32" else "double"
    return f"{match[1]}{int(match[2]) * num_channels}"


def guess_num_channels(element_class: str) -> int:
    """Give the number of channels for files from before `numChannels`: 1, or 3 where only that makes sense.

    "uint24" can't be one channel of anything; it was always RGB.
    """
    for num_channels in (1, 3):
        try:
            dtype_from_element_class(element_class, num_channels)
        except UnsupportedDtypeError:
            continue
        return num_channels
    return 1


def num_channels_of(raw: Mapping[str, Any]) -> int:
    """Give a layer's `numChannels`, guessed where old files lack it."""
    given: int | None = raw.get("numChannels")
    return guess_num_channels(raw["elementClass"]) if given is None else given


def check_element_class(raw: Mapping[str, Any]) -> None:
    """Check a layer's dtype and channels."""
    word = raw["elementClass"]
    if type(word) is not str:
        raise wrong(f"must be a text, not {describe(word)}", "elementClass")
    num_channels = raw["numChannels"] if "numChannels" in raw else guess_num_channels(word)
    if type(num_channels) is not int or num_channels < 1:
        raise wrong(f"must be a positive whole number, not {describe(num_channels)}", "numChannels")
    try:
        dtype_from_element_class(word, num_channels)
    except UnsupportedDtypeError as error:
        raise Wrong(f": {error.message}", "elementClass") from error
