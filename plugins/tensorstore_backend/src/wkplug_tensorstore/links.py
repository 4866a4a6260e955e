"""Neuroglancer's links: the layers of data that one shows, as `LinkedLayer` values. Nothing is fetched here.

A link is any address with a state behind "#!": JSON, percent-encoded once or more, or with quotes and commas that need
no encoding; or the address of a file with it. Such JSON alone is read, too. A layer's source is a text, an object with
a transform, or a list of these. Of shaders, a colour and a range of values have a place in a dataset; what a
shader does beyond is told. Layers that hold no voxels (annotations, meshes) are left out, and told.

Coefficients of a transform's matrix are ratios of lengths, its last column is in units of the output dimensions.
Source: Neuroglancer's own sources (coordinate_transform.ts, url_hash_binding.ts, layer_data_source.ts).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

from wkplug.abc import LinkedLayer
from wkplug.errors import CorruptDataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["read_link"]

_CATEGORIES = {"image": "color", "segmentation": "segmentation", "new": "", "auto": "", "": ""}
_SPACE = ("x", "y", "z")
_PRECOMPUTED = re.compile(r"(?:precomputed|graphene)://|.*\|neuroglancer-precomputed:", re.IGNORECASE)
_NM = 1e9
_NOT_DATA = re.compile(r"(?:local|python|nggraph)://", re.IGNORECASE)
_SAME = 1e-9

_COLOR_CONTROL = re.compile(r"#uicontrol\s+vec3\s+(\w+)\s+color(?:\s*\([^)\n]*default\s*=\s*\"([^\"]+)\")?")
_RANGE_CONTROL = re.compile(r"#uicontrol\s+invlerp\s+(\w+)(?:\s*\([^)\n]*?range\s*=\s*\[([^\]\n]*)\])?")
_NUMBER = r"\s*([0-9]*\.?[0-9]+)\s*"
_EMITTED = re.compile(rf"emitRGB\s*\([^;]*?vec3\s*\({_NUMBER},{_NUMBER},{_NUMBER}\)")
_GRAY = re.compile(
    r"(?:#uicontrol[^\n]*\n|\s)*void\s+main\s*\(\s*\)\s*\{\s*emitGrayscale\s*\(\s*"
    r"(?:\w+\s*\(\s*\)|toNormalized\s*\(\s*getDataValue\s*\(\s*\d*\s*\)\s*\))\s*\)\s*;?\s*\}\s*"
)
_NAMED = {
    "black": "000000", "white": "ffffff", "red": "ff0000", "lime": "00ff00", "green": "008000", "blue": "0000ff",
    "yellow": "ffff00", "cyan": "00ffff", "magenta": "ff00ff", "gray": "808080", "orange": "ffa500",
}  # fmt: skip


def read_link(text: str) -> tuple[LinkedLayer, ...] | str | None:
    """See `Importer.linked`."""
    before, mark, fragment = text.partition("#!")
    if mark:
        fragment = fragment.removeprefix("+")
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", fragment):
            return unquote(fragment)
        state = _parsed(fragment)
        if state is None:
            raise CorruptDataError(
                "The link can't be read: what stands behind '#!' is no JSON.",
                hint="Copy all of it, and put it into single quotes on a command line.",
            )
        return tuple(_layers(state))
    named = parse_qs(urlsplit(before).query).get("json_url") if "://" in before[:32] else None
    if named:
        return named[0]
    if not text.lstrip().startswith("{"):
        return None
    state = _parsed(text.strip())
    return tuple(_layers(state)) if state is not None and "layers" in state else None


def _parsed(text: str) -> dict[str, Any] | None:
    """The state, however often it is encoded."""
    for _ in range(3):
        for candidate in (text, _with_json_signs(text)):
            try:
                found = json.loads(candidate)
            except (ValueError, RecursionError):
                continue
            return found if isinstance(found, dict) else None
        text = unquote(text)
    return None


_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"(?:[^\"\\]|\\.)*\"")
_IN_QUOTES = re.compile(r"\\.|\"")


def _with_json_signs(text: str) -> str:
    """Give JSON for its form without signs that addresses encode: ' for quotes, _ for commas outside of them."""
    parts, end = [], 0
    for found in _QUOTED.finditer(text):
        parts.append(re.sub("[_&]", ",", text[end : found.start()]))
        inner = found.group(1)
        parts.append(found.group() if inner is None else f'"{_IN_QUOTES.sub(_json_quoted, inner)}"')
        end = found.end()
    return "".join([*parts, re.sub("[_&]", ",", text[end:])])


def _json_quoted(found: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(found.group(), found.group())


def _layers(state: Mapping[str, Any]) -> Iterator[LinkedLayer]:
    """All layers of data; what else the link shows is a note of the first."""
    listed: Any = state.get("layers")
    if isinstance(listed, Mapping):  # links of before 2018 have them by name
        listed = [{"name": name, **layer} for name, layer in listed.items() if isinstance(layer, Mapping)]
    if not isinstance(listed, list):
        raise CorruptDataError("The link is damaged: its layers are no list.")
    found: list[LinkedLayer] = []
    left_out: list[str] = []
    for layer in listed:
        if not isinstance(layer, Mapping):
            raise CorruptDataError("The link is damaged: one of its layers is no object.")
        name, kind = str(layer.get("name") or ""), str(layer.get("type") or "")
        sources = [
            source for source in _sources(layer.get("source")) if not _NOT_DATA.match(source.get("url", ""))
        ]
        if kind not in _CATEGORIES or not sources:
            left_out.append(f"{name or 'a layer without name'} ({kind or 'no data'})")
            continue
        for source in sources:
            found.append(_linked(layer, source, name, _CATEGORIES[kind]))
    if left_out and found:
        told = f"The link shows also what holds no voxels, which is left out: {', '.join(left_out)}."
        found[0] = attrs.evolve(found[0], notes=(told, *found[0].notes))
    yield from found


def _sources(value: Any) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and item:
            yield {"url": item}
        elif isinstance(item, Mapping) and isinstance(item.get("url"), str) and item["url"]:
            yield dict(item)


def _linked(layer: Mapping[str, Any], source: Mapping[str, Any], name: str, category: str) -> LinkedLayer:
    url = source["url"].strip()
    place = _Place.of(source.get("transform", layer.get("transform")), url)
    shown = _Shown.of(layer)
    hidden = layer.get("visible") is False or layer.get("archived") is True
    opacity: Any = layer.get("selectedAlpha" if category == "segmentation" else "opacity")
    return LinkedLayer(
        url=url,
        name=name,
        category=category,
        voxel_size=place.voxel_size,
        affine=place.affine,
        color=shown.color,
        range=shown.range,
        inverted=shown.inverted,
        opacity=float(opacity) if _is_number(opacity) and 0 <= opacity <= 1 else None,
        visible=False if hidden else None,
        notes=(*place.notes, *shown.notes),
    )


# --- transforms ----------------------------------------------------------------------------------------------


_Sizes = tuple[float | None, float | None, float | None]
_UNSAID: _Sizes = (None, None, None)


@attrs.frozen
class _Place:
    """Where a source is shown; see `LinkedLayer`."""

    voxel_size: _Sizes = _UNSAID
    affine: tuple[tuple[float, float, float, float], ...] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, transform: Any, url: str) -> _Place:
        if not isinstance(transform, Mapping):
            return cls()
        try:
            return cls._read(transform, url)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise CorruptDataError(f"The link is damaged: the transform of {url} can't be read.") from error

    @classmethod
    def _read(cls, transform: Mapping[str, Any], url: str) -> _Place:
        output = _dimensions(transform.get("outputDimensions"))
        given = _dimensions(transform.get("inputDimensions"))
        rows = transform.get("matrix")
        if not output:  # the form of before 2019: three dimensions, in nanometres
            output = dict.fromkeys(_SPACE, 1.0)
        names = [_plain(name) for name in output]
        inputs = _input_names(list(given) if given else [], names, url)
        by_name = dict(zip(inputs, given.values(), strict=True)) if given else {}
        x, y, z = (by_name.get(axis) for axis in _SPACE)
        if rows is None:
            return cls((x, y, z))
        if len(rows) == 16:
            rows = [rows[4 * n : 4 * n + 4] for n in range(4)]
        result: list[tuple[float, float, float, float]] = []
        mixed = False
        scales = dict(zip(names, output.values(), strict=True))
        for number, axis in enumerate(_SPACE):
            if axis not in names:
                result.append((float(number == 0), float(number == 1), float(number == 2), 0.0))
                continue
            row = [float(value) for value in rows[names.index(axis)]]
            mixed = mixed or any(row[column] for column, name in enumerate(inputs) if name not in _SPACE)
            linear = [
                row[inputs.index(other)] if other in inputs else float(axis == other) for other in _SPACE
            ]
            shift = row[len(names)] * (scales[axis] or 1.0)
            result.append((linear[0], linear[1], linear[2], shift))
        if mixed:
            return cls((x, y, z), notes=("The link mixes other axes into x, y and z, which is not kept.",))
        identity = all(
            abs(value - (row == column)) < _SAME
            for row, line in enumerate(result)
            for column, value in enumerate(line)
        )
        return cls((x, y, z), None if identity else tuple(result))


def _dimensions(value: Any) -> dict[str, float | None]:
    """The dimensions by name, with their scale in nanometres; None where they are no lengths."""
    if not isinstance(value, Mapping):
        return {}
    found: dict[str, float | None] = {}
    for name, scale in value.items():
        is_length = isinstance(scale, list) and len(scale) > 1 and scale[1] == "m" and _is_number(scale[0])
        found[str(name)] = float(f"{scale[0] * _NM:.12g}") if is_length else None
    return found


def _plain(name: str) -> str:
    """A dimension's name without the sign that makes it local or one of channels."""
    return name.rstrip("'^").lower()


def _input_names(given: Sequence[str], output: Sequence[str], url: str) -> list[str]:
    """What the columns of the matrix are: precomputed sources begin with x, y, z; others are as the output is."""
    usual = (
        [*_SPACE, *(f"c{n or ''}" for n in range(max(0, len(output) - 3)))]
        if _PRECOMPUTED.match(url)
        else list(output)
    )
    names = [_plain(name) for name in given]
    if names and not all(name.isdigit() for name in names):
        return names
    return usual[: len(names) or len(output)]


# --- shaders -------------------------------------------------------------------------------------------------


@attrs.frozen
class _Shown:
    """What of a layer's shader and its controls has a place in a dataset."""

    color: tuple[int, int, int] | None = None
    range: tuple[float, float] | None = None
    inverted: bool | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, layer: Mapping[str, Any]) -> _Shown:
        shader = layer.get("shader")
        shader = shader if isinstance(shader, str) else ""
        controls = layer.get("shaderControls")
        controls = controls if isinstance(controls, Mapping) else {}
        limits = _limits(shader, controls)
        color = _color_of(shader, controls)
        inverted = limits is not None and limits[0] > limits[1]
        notes: tuple[str, ...] = ()
        if shader and color is None and not _GRAY.fullmatch(shader):
            notes = ("Its shader is not kept.",)
        return cls(
            color,
            None if limits is None else (min(limits), max(limits)),
            True if inverted else None,
            notes,
        )


def _limits(shader: str, controls: Mapping[str, Any]) -> tuple[float, float] | None:
    declared = _RANGE_CONTROL.findall(shader)
    names = [name for name, _ in declared] or ["normalized"]
    for name in names:
        value = controls.get(name)
        found = value.get("range") if isinstance(value, Mapping) else value
        if isinstance(found, list) and len(found) == 2 and all(map(_is_number, map(_number, found))):
            return _number(found[0]), _number(found[1])
    for _, text in declared:
        parts = text.split(",")
        if len(parts) == 2:
            try:
                return float(parts[0]), float(parts[1])
            except ValueError:
                return None
    return None


def _number(value: Any) -> Any:
    """A number, also as a text, as integers beyond 53 bits are written."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value


def _color_of(shader: str, controls: Mapping[str, Any]) -> tuple[int, int, int] | None:
    for name, default in _COLOR_CONTROL.findall(shader):
        found = _color(controls.get(name)) or _color(default)
        if found is not None:
            return found
    emitted = _EMITTED.search(shader)
    if emitted is not None:
        red, green, blue = (min(255, round(255 * float(part))) for part in emitted.groups())
        return red, green, blue
    return None if shader else _color(controls.get("color"))


def _color(text: Any) -> tuple[int, int, int] | None:
    if not isinstance(text, str):
        return None
    digits = _NAMED.get(text.lower(), text.lstrip("#"))
    if len(digits) == 3:
        digits = "".join(sign * 2 for sign in digits)
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        return None
    return red, green, blue


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
