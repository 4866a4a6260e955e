"""datasource-properties.json as bytes: parsing with clear errors, writing as the long-standing library does.

A document is a plain dict. Written keys come in the order that readers of such files know, indented by four
blanks, and everything that was in the file stays where it was. The text is ASCII, hence UTF-8 too, as other
writers of these files have it: it reads the same under every locale.

Not here: what keys mean (`models`), and files (`store`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wkplug.errors import PropertiesError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "FILE_NAME",
    "LARGEST_FILE",
    "dump",
    "merge",
    "parse",
    "put",
    "render",
]

FILE_NAME = "datasource-properties.json"
LARGEST_FILE = 64 * 1024 * 1024
"""Bytes. Real files have kilobytes; this is against memory bombs."""

_INDENT = " " * 4


def parse(data: bytes, file: str) -> dict[str, Any]:
    """Read a document; PropertiesError naming `file` for anything that isn't a JSON object in UTF-8."""
    if len(data) > LARGEST_FILE:
        raise PropertiesError(
            f"{file} is too large: {len(data):,} bytes, of which {LARGEST_FILE:,} are allowed.",
            hint="Such files have kilobytes. Check that this one is what its name says.",
        )
    try:
        # Editors on Windows put a byte order mark in front, which JSON itself doesn't know.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PropertiesError(
            f"{file} is damaged: it is not UTF-8 text (byte {error.start}: {error.reason}).",
            hint="Restore it from a backup, or convert it if another program saved it in another encoding.",
        ) from error
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise PropertiesError(f"{file} is damaged: it is nested too deeply.") from error
    except json.JSONDecodeError as error:
        raise PropertiesError(_damage(text, error, file), hint="Restore it from a backup.") from error
    except ValueError as error:
        raise PropertiesError(f"{file} is damaged: it holds a number that can't be: {error}.") from error
    if not isinstance(document, dict):
        raise PropertiesError(
            f"{file} is damaged: it must hold a JSON object, not {type(document).__name__}."
        )
    return document


def _damage(text: str, error: json.JSONDecodeError, file: str) -> str:
    if not text.strip():
        return f"{file} is damaged: it is empty."
    where = f"line {error.lineno}, column {error.colno}"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"{file} is damaged: it is cut short, the JSON text ends too early ({where})."
    return f"{file} is damaged: it is not JSON ({error.msg.lower()}, {where})."


def render(value: Any, level: int = 0) -> str:
    """Give the JSON text of a value that stands `level` levels deep; its first line is not indented."""
    text = json.dumps(value, indent=4)
    # Line breaks inside of JSON strings are escaped, so that these are the layout's own.
    return text.replace("\n", "\n" + _INDENT * level) if level else text


def dump(pairs: Sequence[tuple[str, str]], layers: Sequence[str]) -> bytes:
    """Join rendered parts to a file.

    pairs: (key, text at level 1) of the document in order; the text of "dataLayers" is ignored.
    layers: the texts of the layers, at level 2.
    """
    parts = []
    for key, text in pairs:
        if key == "dataLayers" and layers:
            joined = (",\n" + _INDENT * 2).join(layers)
            text = f"[\n{_INDENT * 2}{joined}\n{_INDENT}]"
        elif key == "dataLayers":
            text = "[]"
        parts.append(f"\n{_INDENT}{json.dumps(key)}: {text}")
    return ("{" + ",".join(parts) + "\n}").encode("ascii")


def put(raw: Mapping[str, Any], key: str, value: Any, order: Sequence[str]) -> dict[str, Any]:
    """Give a copy with `key` set: where it was, or else before the first key that `order` has later."""
    if key in raw or key not in order:
        return {**raw, key: value}
    later = frozenset(order[order.index(key) + 1 :])
    result: dict[str, Any] = {}
    placed = False
    for name, item in raw.items():
        if not placed and name in later:
            result[key] = value
            placed = True
        result[name] = item
    if not placed:
        result[key] = value
    return result


def merge(
    old: Mapping[str, Any] | None, new: Mapping[str, Any], known: frozenset[str], order: Sequence[str]
) -> dict[str, Any]:
    """Bring an object up to date: `known` keys become what `new` says or go, all others stay as they were."""
    if old is None:
        return dict(new)
    result = {key: value for key, value in old.items() if key not in known or key in new}
    for key, value in new.items():
        result = put(result, key, value, order)
    return result
