"""The rarer parts of datasource-properties.json: attachments, transformations, segment ids, and nesting.

Who calls it: `wkplug.properties.check`, whose rules hold here too.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from wkplug.errors import InvalidArgumentError, MissingPropertyError, PropertiesError

__all__ = [
    "ATTACHMENT_LISTS",
    "ATTACHMENT_SINGLES",
    "DEEPEST",
    "check_attachments",
    "check_depth",
    "check_segment_id",
    "check_transformations",
    "describe",
    "read_segment_id",
    "wrong",
]

DEEPEST = 64
"""Levels of nesting, from the document on; the known keys need eight."""

ATTACHMENT_LISTS = ("meshes", "agglomerates", "connectomes")
ATTACHMENT_SINGLES = ("segmentIndex", "segmentStatistics", "cumsum")

_LONGEST_SHOWN = 60


def wrong(file: str, key: str, text: str) -> NoReturn:
    """Complain about a key: "<file>: <key> <text>."."""
    raise PropertiesError(f"{file}: {key} {text}.")


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


def check_depth(value: Any, file: str, key: str) -> None:
    """Refuse nesting below `key` that is deeper than any real file's."""
    if type(value) not in (dict, list):
        return
    # Counts from the deepest place where such a value may stand, which is close enough. Level by level, so
    # that no recursion limit is met.
    level: list[Any] = [value]
    for _ in range(DEEPEST - key.count(".") - key.count("[")):
        level = [
            item
            for parent in level
            for item in (parent.values() if type(parent) is dict else parent)
            if type(item) in (dict, list)
        ]
        if not level:
            return
    wrong(file, key, f"is nested too deeply, more than {DEEPEST} levels")


def read_segment_id(value: Any) -> int | None:
    """Read `largestSegmentId` in any of its spellings; InvalidArgumentError if it is none.

    Numbers beyond 2^53 - 1, which JavaScript can't hold, come as objects of text: {"customJsonEncoding":
    "bigint", "value": "..."}.
    """
    if value is None or type(value) is int:
        return value
    if type(value) is dict and value.get("customJsonEncoding") == "bigint":
        value = value.get("value")
        if type(value) is int:
            return value
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is str and len(value) < 40:
        digits = value.removeprefix("-")
        if digits.isascii() and digits.isdigit():
            return int(value)
    raise InvalidArgumentError(f"{describe(value)} is not a segment id.")


def check_segment_id(value: Any, file: str, where: str) -> None:
    """Check `largestSegmentId`."""
    try:
        read_segment_id(value)
    except InvalidArgumentError as error:
        raise PropertiesError(
            f"{file}: {where} must be a whole number or null, not {describe(value)}.",
            hint='Numbers beyond 2^53 - 1 are written as {"customJsonEncoding": "bigint", "value": "..."}.',
        ) from error


def check_attachments(value: Any, file: str, where: str) -> None:
    """Check `attachments`; kinds that nobody here knows are passed over."""
    if type(value) is not dict:
        wrong(file, where, f"must be an object, not {describe(value)}")
    for kind in ATTACHMENT_LISTS:
        entries = value.get(kind)
        if entries is None:
            continue
        if type(entries) is not list:
            wrong(file, f"{where}.{kind}", f"must be a list, not {describe(entries)}")
        for index, entry in enumerate(entries):
            _check_attachment(entry, file, f"{where}.{kind}[{index}]")
    for kind in ATTACHMENT_SINGLES:
        if value.get(kind) is not None:
            _check_attachment(value[kind], file, f"{where}.{kind}")


def _check_attachment(entry: Any, file: str, where: str) -> None:
    if type(entry) is not dict:
        wrong(file, where, f"must be an object, not {describe(entry)}")
    for key in ("name", "path", "dataFormat"):
        if key not in entry:
            raise MissingPropertyError(f"{file}: {where}.{key} is missing.")
        if type(entry[key]) is not str:
            wrong(file, f"{where}.{key}", f"must be a text, not {describe(entry[key])}")


def check_transformations(value: Any, file: str, where: str) -> None:
    """Check `coordinateTransformations`: known types, and numbers in the right shape."""
    if type(value) is not list:
        wrong(file, where, f"must be a list, not {describe(value)}")
    for index, entry in enumerate(value):
        key = f"{where}[{index}]"
        if type(entry) is not dict:
            wrong(file, key, f"must be an object, not {describe(entry)}")
        kind = entry.get("type")
        if kind == "affine":
            if not _is_table(entry.get("matrix"), 4) or len(entry["matrix"]) != 4:
                wrong(file, f"{key}.matrix", "must be a list of four lists of four numbers")
        elif kind == "thin_plate_spline":
            points = entry.get("correspondences")
            if type(points) is not dict:
                wrong(file, f"{key}.correspondences", f"must be an object, not {describe(points)}")
            for name in ("source", "target"):
                if not _is_table(points.get(name), 3):
                    wrong(file, f"{key}.correspondences.{name}", "must be a list of points of three numbers")
            if len(points["source"]) != len(points["target"]):
                wrong(file, f"{key}.correspondences", "must have as many target as source points")
        else:
            wrong(file, f"{key}.type", f"must be `affine` or `thin_plate_spline`, not {describe(kind)}")


def _is_number(value: Any) -> bool:
    """Whether a float holds it: whole numbers in JSON have any size."""
    return type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max)


def _is_table(value: Any, columns: int) -> bool:
    return (
        type(value) is list
        and bool(value)
        and all(
            type(row) is list and len(row) == columns and all(_is_number(item) for item in row)
            for row in value
        )
    )
