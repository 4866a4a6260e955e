import pytest

from wkplug.errors import UnsupportedDtypeError
from wkplug.properties import dtype_from_element_class, element_class_from_dtype
from wkplug.properties.schema import guess_num_channels

TABLE = [
    ("uint8", 1, "uint8"), ("uint8", 3, "uint24"), ("uint8", 2, "uint16"), ("uint16", 3, "uint48"),
    ("int8", 4, "int32"), ("float32", 1, "float"), ("float32", 3, "float96"), ("float64", 1, "double"),
    ("uint64", 1, "uint64"), ("int64", 1, "int64"), ("uint16", 1, "uint16"), ("uint64", 2, "uint128"),
    ("bool", 1, "bool"), ("float64", 2, "float128"),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "channels", "word"), TABLE)
def test_dtype_and_channels_make_one_word_and_come_back(dtype: str, channels: int, word: str) -> None:
    assert element_class_from_dtype(dtype, channels) == word
    assert dtype_from_element_class(word, channels) == dtype


def test_float32_in_full_is_read_too() -> None:
    assert dtype_from_element_class("float32", 1) == "float32"
    assert dtype_from_element_class("float64", 1) == "float64"


@pytest.mark.parametrize(
    ("word", "channels"),
    [("float", 3), ("double", 2), ("uint24", 1), ("uint8", 3), ("uint", 1), ("uint8x", 1), ("complex64", 1),
     ("uint8", 0), ("uint8", -1), ("bool", 2), ("", 1), ("int99999999999", 1)],
)  # fmt: skip
def test_words_that_fit_no_dtype_are_refused(word: str, channels: int) -> None:
    with pytest.raises(UnsupportedDtypeError, match="is no dtype") as caught:
        dtype_from_element_class(word, channels)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(("dtype", "channels"), [("complex64", 1), ("uint8", 0), ("uint24", 1)])
def test_dtypes_that_no_layer_has_make_no_word(dtype: str, channels: int) -> None:
    with pytest.raises(UnsupportedDtypeError):
        element_class_from_dtype(dtype, channels)


def test_files_without_a_number_of_channels_have_one_or_rgb() -> None:
    assert guess_num_channels("uint8") == 1
    assert guess_num_channels("uint24") == 3
    assert guess_num_channels("uint48") == 3
    assert guess_num_channels("nonsense") == 1
