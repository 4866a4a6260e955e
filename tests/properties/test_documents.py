"""Whatever a document holds besides, it survives our changes, in order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wkplug.filesystems.local import LocalLocation
from wkplug.geometry import BoundingBox, Mag
from wkplug.properties import LayerProperties, MagViewProperties, PropertiesStore
from wkplug.properties import operations as op

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "datasource-properties.json"


def no_dialects(data_format: str) -> tuple[()]:
    return ()


def add(name: str) -> op.AddLayer:
    box = BoundingBox((0, 0, 0), (8, 8, 8)).normalize_axes(1)
    return op.AddLayer(LayerProperties(name, "color", box, "uint8", "somewhere"))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
UNKNOWN = st.dictionaries(st.text(min_size=1, max_size=6).map(lambda text: "~" + text), JSON, max_size=3)


def mixed(draw: Any, known: dict[str, Any]) -> dict[str, Any]:
    items = draw(st.permutations([*known.items(), *draw(UNKNOWN).items()]))
    return dict(items)


@st.composite
def documents(draw: Any) -> dict[str, Any]:
    layers = []
    for index in range(draw(st.integers(1, 3))):
        factors = draw(st.lists(st.sampled_from([1, 2, 4]), unique=True, max_size=3))
        order = {"c": 0, "x": 1, "y": 2, "z": 3}
        box = {
            "topLeft": [1, 2, 3],
            "width": 4,
            "height": 5,
            "depth": 6,
            **({} if factors else {"axisOrder": order}),
        }
        mags = [
            mixed(draw, {"mag": [factor] * 3, "path": f"./l{index}/{factor}", "axisOrder": order})
            for factor in factors
        ]
        known = {
            "name": f"l{index}", "category": "color", "boundingBox": mixed(draw, box),
            "dataFormat": "somewhere",
            "mags": mags, "numChannels": 1, "elementClass": "uint8",
        }  # fmt: skip
        layers.append(mixed(draw, known))
    scale = mixed(draw, {"factor": [1.0, 2.0, 3.0], "unit": "nanometer"})
    identity = mixed(draw, {"name": "x", "team": ""})
    return mixed(draw, {"id": identity, "scale": scale, "dataLayers": layers, "version": 1})


def pairs(text: str) -> Any:
    """JSON with its order of keys."""
    return json.loads(text, object_pairs_hook=lambda items: ("object", items))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=documents())
def test_any_document_survives_a_change_with_all_keys_in_order(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps(document))
    store = PropertiesStore.open(LocalLocation(tmp_path), dialects=no_dialects)
    store.apply(add("extra"))
    store.apply(op.ExtendBox("l0", BoundingBox((0, 0, 0), (50, 50, 50))))
    store.apply(op.AddMag("l0", MagViewProperties(Mag(8), "./l0/8")))
    store.apply(op.RemoveMag("l0", Mag(8)), op.RemoveLayer("extra"))
    expected = json.loads(json.dumps(document))
    expected["dataLayers"][0]["boundingBox"].update(topLeft=[0, 0, 0], width=50, height=50, depth=50)
    written = (tmp_path / FILE_NAME).read_text()
    if document["dataLayers"][0]["mags"]:
        assert pairs(written) == pairs(json.dumps(expected))
    else:
        # The axis order moved to the mag and back, to the end of the box.
        assert json.loads(written) == expected
    assert written == json.dumps(json.loads(written), indent=4)
