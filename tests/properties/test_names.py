import pytest

from wkplug.errors import LayerNameError
from wkplug.properties import check_existing_layer_name, check_layer_name


@pytest.mark.parametrize(
    "name", ["color", "a.b", "a..b", "$@_-", "-rf", "0", "Com10", "console", "x" * 255, "nul_"]
)
def test_ordinary_names_are_taken(name: str) -> None:
    assert check_layer_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        (".", "starts with a dot"),
        ("..", "starts with a dot"),
        (".hidden", "starts with a dot"),
        ("a/b", "contains a slash"),
        ("../x", "starts with a dot"),
        ("/abs", "contains a slash"),
        ("a\\b", "contains a slash"),
        ("a\n", "contains a control character"),
        ("a\x00b", "contains a control character"),
        ("a\u2028b", "contains a control character"),
        ("a b", "contains other characters"),
        ("ä", "contains other characters"),
        ("a.", "ends with a dot"),
        ("CON", "is reserved by Windows"),
        ("nul.txt", "is reserved by Windows"),
        ("lpt1", "is reserved by Windows"),
        ("x" * 256, "is longer than 255"),
        (5, "is not a text"),
    ],
)
def test_a_name_that_no_new_layer_may_have_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(LayerNameError, match=reason) as caught:
        check_layer_name(name)
    assert isinstance(caught.value, ValueError)
    assert "The layer name" in str(caught.value)


def test_the_text_says_what_the_name_is_of() -> None:
    with pytest.raises(LayerNameError, match="The attachment name 'a/b' is invalid"):
        check_layer_name("a/b", what="attachment")


@pytest.mark.parametrize("name", ["a b", "ä", "a.", "CON", "x" * 300])
def test_names_that_a_file_holds_already_are_taken_more_generously(name: str) -> None:
    assert check_existing_layer_name(name) == name


@pytest.mark.parametrize("name", ["", "..", ".a", "a/b", "a\\b", "a\n", "a\x7f"])
def test_dangerous_names_are_refused_in_files_too(name: str) -> None:
    with pytest.raises(LayerNameError, match="is invalid"):
        check_existing_layer_name(name)
