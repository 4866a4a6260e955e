"""Write the lists of the documentation that follow from the code: public names, and the tree of errors.

`python tools/docs_lists.py` writes docs/reference/index.md, and the tree in docs/reference/errors.md; a test
compares both with the code.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import wkplug
from wkplug import errors

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"

HEAD = """\
# Public names

All names that `import wkplug as wk` offers; plugins may add more (a remote service, say). The pages behind "details"
have signatures and all texts. Written by `tools/docs_lists.py`.
"""

TAIL = """
## For plugin authors

| module | what it is |
|---|---|
| `wkplug.abc` | the contract: specs, abstract classes, `hookimpl`; [details](api/abc.md) |
| `wkplug.geometry.grids` | integer arithmetic on boxes and grids; [details](api/grids.md) |
| `wkplug.testing` | the conformance kit; [details](api/testing.md) |
| `wkplug.registry` | what is installed, and who is chosen; [details](api/registry.md) |
"""

# Title, page with the details, names in a reader's order. What isn't listed here comes under "Further names".
GROUPS: tuple[tuple[str, str, str], ...] = (
    (
        "Datasets",
        "dataset",
        "Dataset Layer SegmentationLayer MagView View ArrayInfo DataFormat ConversionLayerMapping SamplingModes "
        "settings",
    ),
    ("Slices and arrays", "dataset", "BufferedSliceReader BufferedSliceWriter BaseArray"),
    (
        "Attachments of segmentations",
        "dataset",
        "Attachments Attachment AttachmentDataFormat MeshAttachment AgglomerateAttachment AgglomerateGraph "
        "ConnectomeAttachment CumsumAttachment SegmentIndexAttachment SegmentStatisticsAttachment",
    ),
    (
        "Geometry",
        "geometry",
        "Vec3Int Vec3Float VecInt Mag BoundingBox NDBoundingBox NormalizedBoundingBox Vec3IntLike Vec3FloatLike "
        "VecIntLike MagLike XYZAxis derive_nd_bounding_box_from_shape as_vec3_int_or_none as_vec3_float_or_none "
        "X_AXIS Y_AXIS Z_AXIS C_AXIS T_AXIS XY_AXES XYZ_AXES CXYZ_AXES TXYZ_AXES TCXYZ_AXES",
    ),
    (
        "Properties",
        "properties",
        "DatasetProperties LayerProperties SegmentationLayerProperties MagViewProperties AttachmentProperties "
        "AttachmentsProperties DatasetViewConfiguration LayerViewConfiguration VoxelSize LengthUnit "
        "CoordinateTransformation AffineCoordinateTransformation ThinPlateSplineCoordinateTransformation",
    ),
    (
        "Properties, for tools that work on the file itself",
        "properties",
        "PropertiesStore CURRENT_VERSION get_dataset_converter layer_facts as_voxel_size length_unit_from_str "
        "check_layer_name check_existing_layer_name element_class_from_dtype dtype_from_element_class",
    ),
)
ALIASES = {
    "MagLike": "what a Mag can be made of: an integer, text, three integers",
    "Vec3FloatLike": "what a Vec3Float can be made of",
    "Vec3IntLike": "what a Vec3Int can be made of: three integers, a numpy array, another vector",
    "VecIntLike": "what a VecInt can be made of",
    "LayerCategoryType": "a category, for annotations",
    "XYZAxis": 'one of "x", "y", "z", for annotations',
}


def public_names() -> str:
    """Give the text of the page of public names."""
    left = [name for name in dir(wkplug) if name not in errors.__all__]
    parts = [HEAD]
    for title, page, names in GROUPS:
        there = [name for name in names.split() if name in left]
        left = [name for name in left if name not in there]
        parts.append(table(title, f"[Details](api/{page}.md)", there))
    if left:
        parts.append(table("Further names", "", left))
    parts.append(table("Errors", "[The tree](errors.md), [details](api/errors.md)", errors.__all__))
    return "\n".join(parts) + TAIL


def table(title: str, remark: str, names: list[str]) -> str:
    """Give a section with a table of names."""
    rows = [f"| `wk.{name}` | {said_of(name)} |" for name in names]
    return "\n".join(
        [
            f"## {title}",
            "",
            *([remark, ""] if remark else []),
            "| name | what it is |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def said_of(name: str) -> str:
    """Give the first sentence or so of a docstring, or a constant's value."""
    value = getattr(wkplug, name)
    if name in ALIASES:
        return ALIASES[name]
    if inspect.isclass(value) or inspect.isroutine(value):
        return (inspect.getdoc(value) or "").partition("\n")[0].replace("|", "\\|")
    return f"`{value!r}`"


def tree_of_errors(page: str) -> str:
    """Give the page of errors with the tree as it is in the code."""
    doc = errors.__doc__ or ""
    tree = doc[doc.index("WkplugError\n") :].strip()
    return re.sub(r"(?s)(?<=```text\n)WkplugError\n.*?(?=\n```)", lambda _: tree, page)


def main() -> None:
    """Write both."""
    (REFERENCE / "index.md").write_text(public_names(), encoding="utf-8")
    page = REFERENCE / "errors.md"
    page.write_text(tree_of_errors(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
