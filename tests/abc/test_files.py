"""What readers are given to keep their promises: places as files, and errors sorted."""

from __future__ import annotations

import errno
import pickle
import struct
import threading
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from toy_images import toy_samples

from wkplug.abc.files import (
    check_scene,
    corrupt_image,
    held_dtype,
    image_errors,
    local_path,
    open_file,
    path_or_file,
    quietly,
    reason_of,
)
from wkplug.errors import (
    CorruptImageError,
    ForbiddenError,
    MissingError,
    PluginMissingError,
    StorageError,
    TooLargeError,
    UnsupportedImageDataError,
    UnsupportedOperationError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.testing.places import CountingLocation, PlainLocation
from wkplug.testing.reference import ToyReader

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def here(tmp_path: Path) -> LocalLocation:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    return LocalLocation(str(tmp_path / "a.bin"))


def test_a_file_here_or_elsewhere_is_read_and_sought_alike(here: LocalLocation) -> None:
    for place in (here, PlainLocation(here)):
        with open_file(place) as file:
            assert file.seekable()
            assert file.seek(-5, 2) == len(CONTENT) - 5
            assert file.read() == CONTENT[-5:]
            assert file.read() == b""
            file.seek(1000)
            assert file.read(300) == CONTENT[1000:1300]
            file.seek(-100, 1)
            assert file.tell() == 1200
            file.seek(0)
            assert file.read() == CONTENT


def test_elsewhere_only_what_is_asked_for_is_fetched(here: LocalLocation) -> None:
    place = CountingLocation(here)
    with open_file(place, buffer=1000) as file:
        file.seek(500_000)
        assert file.read(10) == CONTENT[500_000:500_010]
    assert place.total == 1000


def test_what_was_fetched_last_is_not_fetched_again(here: LocalLocation, tmp_path: Path) -> None:
    place = CountingLocation(here)
    with open_file(place, buffer=1000) as file:
        file.seek(-5000, 2)
        end = file.read()
        file.seek(-100, 2)
        assert file.read() == end[-100:] == CONTENT[-100:]
    assert place.total == 5000
    (tmp_path / "small.bin").write_bytes(CONTENT[:3000])
    place = CountingLocation(LocalLocation(str(tmp_path / "small.bin")))
    with open_file(place, buffer=100) as file:
        assert file.read(10) == CONTENT[:10]
        file.seek(2000)
        assert file.read(500) == CONTENT[2000:2500]
    assert place.total == 3000


def test_a_path_where_there_is_one(here: LocalLocation) -> None:
    assert path_or_file(here) == here.local_path() == local_path(here, "CZI")
    elsewhere = path_or_file(PlainLocation(here))
    assert not isinstance(elsewhere, str)
    with elsewhere:
        assert elsewhere.read(3) == CONTENT[:3]
    with pytest.raises(UnsupportedOperationError) as caught:
        local_path(PlainLocation(here), "CZI")
    assert str(caught.value) == (
        f"plain://{here.url.lstrip('/')} is not on this machine, and CZI files can only be read from local paths.\n"
        "  Download the file first."
    )


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    nothing = LocalLocation(str(tmp_path / "nothing"))
    for function in (open_file, path_or_file):
        for place in (nothing, PlainLocation(nothing)):
            with pytest.raises(MissingError):
                function(place)
    with pytest.raises(MissingError, match="There is no file"):
        local_path(nothing, "CZI")


def test_any_error_of_a_library_blames_the_file(here: LocalLocation) -> None:
    with pytest.raises(CorruptImageError) as caught, image_errors(here, "a CZI"):
        raise KeyError("segment")
    assert str(caught.value) == (
        f"{here.url} can't be read as a CZI: it has no 'segment'\n"
        "  The file is damaged or was not written to the end; copy or export it again."
    )
    assert caught.value.path == here.url
    assert isinstance(caught.value.__cause__, KeyError)
    with (
        pytest.raises(CorruptImageError, match="can't be read as a CZI: it ends too early"),
        image_errors(here, "a CZI"),
    ):
        raise EOFError
    assert "can't be read as a CZI: no end" in str(corrupt_image(here, "a CZI", "no end"))


def test_bare_errors_of_libraries_become_sentences(here: LocalLocation) -> None:
    with (
        pytest.raises(CorruptImageError, match="as a CZI: it ends within a value"),
        image_errors(here, "a CZI"),
    ):
        struct.unpack("<i", b"")
    with pytest.raises(CorruptImageError, match="as a CZI: no such object"), image_errors(here, "a CZI"):
        raise KeyError("no such object")


def test_a_library_that_is_missing_is_no_damage(here: LocalLocation) -> None:
    text = "can't be read as a CZI without the library nowhere, which is not installed"
    with pytest.raises(PluginMissingError, match=text) as caught, image_errors(here, "a CZI"):
        raise ModuleNotFoundError("No module named 'nowhere'", name="nowhere")
    assert caught.value.hint == "pip install nowhere"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("no frames. Try pip install imageio-ffmpeg", "no frames"),
        (
            "Could not find a backend: `pip install imageio[pyav]` or conda install av",
            "Could not find a backend",
        ),
        ("bad header\nTo fix it, pip install x.\nByte 7", "bad header\n\nByte 7"),
        ("pip install it", "ValueError"),
        ("0.5 of 3.2 bytes: cut", "0.5 of 3.2 bytes: cut"),
    ],
)
def test_what_libraries_advise_to_install_is_left_out(said: str, reason: str) -> None:
    assert reason_of(ValueError(said)) == reason


def test_types_that_lose_nothing_are_found_or_refused(here: LocalLocation) -> None:
    assert held_dtype(here, np.dtype(">u2")) == ("uint16", ())
    assert held_dtype(here, np.dtype("f8")) == ("float64", ())
    for name, held in (("float16", "float32"), ("bool", "uint8")):
        assert held_dtype(here, np.dtype(name)) == (
            held,
            (f"Values of the type {name} are {held} here; nothing is lost.",),
        )
    for name in ("complex64", "longdouble", "U3"):
        with pytest.raises(
            UnsupportedImageDataError, match=r"has frames of the type .*, which no layer can hold"
        ):
            held_dtype(here, np.dtype(name), "frames")


def test_errors_that_are_not_the_files_fault_are_told_apart(here: LocalLocation) -> None:
    with pytest.raises(MissingError), image_errors(here, "a CZI"):
        raise FileNotFoundError(2, "gone")
    with (
        pytest.raises(TooLargeError, match="asks for more memory than there is"),
        image_errors(here, "a CZI"),
    ):
        raise MemoryError
    with pytest.raises(ForbiddenError, match="may not be read: denied"), image_errors(here, "a CZI"):
        raise PermissionError(13, "denied")
    with (
        pytest.raises(StorageError, match=r"can't be read: .*too many open files"),
        image_errors(here, "a CZI"),
    ):
        raise OSError(errno.EMFILE, "too many open files")
    with pytest.raises(CorruptImageError, match="image file is truncated"), image_errors(here, "a CZI"):
        raise OSError("image file is truncated")
    own = UnsupportedImageDataError("complex numbers")
    with pytest.raises(UnsupportedImageDataError) as caught, image_errors(here, "a CZI"):
        raise own
    assert caught.value is own


def test_a_scene_that_is_not_there_is_refused(here: LocalLocation) -> None:
    check_scene(here, 2, 3)
    for scene, count, words in ((1, 1, "one image"), (3, 3, "3 images"), (-1, 3, "3 images")):
        with pytest.raises(UnsupportedImageDataError, match=f"holds {words}; number {scene} was asked for"):
            check_scene(here, scene, count)


def test_images_of_one_file_pickle_as_reader_place_and_scene(tmp_path: Path) -> None:
    first, second, *_ = toy_samples(tmp_path)
    image = ToyReader().open(LocalLocation(str(second.path)), scene=second.scene)
    copy = pickle.loads(pickle.dumps(image))
    assert (copy.location, copy.scene, copy.info) == (image.location, 1, image.info)
    assert copy.info.scenes == ("scene 0", "scene 1")
    assert first.path == second.path


def test_silence_in_threads_that_overlap_ends_with_the_last() -> None:
    begun, ended = threading.Barrier(2), threading.Barrier(2)

    def second() -> None:
        with quietly():
            begun.wait()
            ended.wait()  # the first has left
            warnings.warn("a library's", UserWarning, stacklevel=1)

    before = list(warnings.filters)
    thread = threading.Thread(target=second)
    with quietly():
        thread.start()
        begun.wait()
    ended.wait()
    thread.join()
    assert warnings.filters == before
    with pytest.warns(UserWarning, match="ours"):
        warnings.warn("ours", UserWarning, stacklevel=1)
