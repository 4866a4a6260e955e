"""What is written out of sight until it is whole: errors name the place that users asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk
from tests.dataset import processes
from wkplug import errors, storage
from wkplug.storage.replacing import errors_named

if TYPE_CHECKING:
    from pathlib import Path

# Files may have so few bytes that no engine can write a shard.
LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
dataset = wk.Dataset.open(arguments["path"])
layers = list(dataset.layers.values())
for layer in layers:
    layer.get_mag(1).read()
calls = [lambda t=target: layers[0].export(Path(arguments["out"]) / t)
         for target in ("x.n5", "x.precomputed", "x.ozx", "x.tiff")]
calls += [lambda v=layer.get_mag(1): v.rechunk(chunk_shape=32, shard_shape=64, compress=False) for layer in layers]
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
texts = []
for call in calls:
    try:
        call()
        texts.append("no error")
    except wk.errors.WkplugError as error:
        texts.append(str(error))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps(texts))
"""


@pytest.mark.faults
def test_errors_of_engines_name_the_target_and_no_hidden_place(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1))
    data = np.random.default_rng(0).integers(0, 255, (128, 128, 128)).astype("u1")
    for data_format in ("zarr3", "wkw"):
        dataset.write_layer(data_format, "color", data, data_format=data_format, downsample=False)
    with processes.process(
        LIMITED, tmp_path / "run", {"path": str(dataset.path), "out": str(tmp_path)}
    ) as child:
        texts = processes.result_of(child)
    targets = [str(tmp_path / name) for name in ("x.n5", "x.precomputed", "x.ozx", "x.tiff")]
    targets += [str(dataset.path / name / "1") for name in ("zarr3", "wkw")]
    for text, target in zip(texts, targets, strict=True):
        assert text.startswith(target), text
        assert "could not be written: " in text
        assert ".wkplug-" not in text, text


def test_hints_are_told_for_the_target_too() -> None:
    written, target = storage.locate("memory://hidden/place"), storage.locate("memory://asked/for")
    with pytest.raises(errors.StorageError) as caught, errors_named(written, target):
        raise errors.StorageError(f"{written.url}/a is bad.", hint=f"Look at {written.url}.")
    assert caught.value.message == "memory://asked/for/a is bad."
    assert caught.value.hint == "Look at memory://asked/for."
    with pytest.raises(errors.StorageError, match=r"^bad$"), errors_named(written, target):
        raise errors.StorageError("bad")
