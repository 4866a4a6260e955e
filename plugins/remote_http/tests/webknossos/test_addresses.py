"""Addresses of all years."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wkplug_remote.webknossos.addresses import Address
from wkplug_remote.webknossos.service import Webknossos, find

from wkplug.errors import InvalidArgumentError, UnsupportedOperationError

ID = "59e9cfbdba632ac2ab8b23b5"
HOST = "https://lab.example.com"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ID, Address(id=ID)),
        ("brain", Address(name="brain")),
        (f"{HOST}/datasets/{ID}", Address(server=HOST, id=ID)),
        (f"{HOST}/datasets/{ID}/", Address(server=HOST, id=ID)),
        (f"{HOST}/datasets/a-brain-2-{ID}/view#1,2,3,0,1", Address(server=HOST, id=ID, page=True)),
        (f"{HOST}/datasets/b-{ID}/view?token=x-_y-#1", Address(server=HOST, id=ID, sharing_token="x-_y-", page=True)),
        (f"{HOST}/datasets/{ID}?token=a-{ID}", Address(server=HOST, id=ID, sharing_token=f"a-{ID}")),
        (f"{HOST}/datasets/Org_X/brain", Address(server=HOST, organization="Org_X", name="brain")),
        (f"{HOST}/datasets/O%20X/br%C3%A4in/view", Address(server=HOST, organization="O X", name="bräin", page=True)),
        (f"{HOST}/wk/datasets/{ID}/view", Address(server=f"{HOST}/wk", id=ID, page=True)),
        (f"http://127.0.0.1:9/t/s-e/datasets/{ID}", Address(server="http://127.0.0.1:9", id=ID, sharing_token="s-e")),
        (f"{HOST}/links/k-e_y", Address(server=HOST, link="k-e_y")),
        (f"{HOST}/annotations/Explorational/{ID}#1", Address(server=HOST, annotation=ID)),
        (f"{HOST}/annotations/{ID}", Address(server=HOST, annotation=ID)),
        (f"{HOST}/data/brain", Address(name=f"{HOST}/data/brain")),
    ],
)  # fmt: skip
def test_addresses_of_all_years_are_read(text: str, found: Address) -> None:
    assert Address.read(text) == found


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda text: text not in (".", "..")
)
TOKENS = st.text("abcXYZ019-_", min_size=22, max_size=22)


@given(NAMES, TOKENS, st.sampled_from(["", "/view", "/view#1,2,3"]))
def test_every_name_and_token_comes_through(name: str, token: str, page: str) -> None:
    path, hash_, position = page.partition("#")
    end = f"{path}?token={token}{hash_}{position}"
    assert Address.read(f"{HOST}/datasets/{quote(name, safe='')}-{ID}{end}") == Address(
        server=HOST, id=ID, sharing_token=token, page=bool(page)
    )
    if name not in ("view", "edit"):
        old = Address.read(f"{HOST}/datasets/o/{quote(name, safe='')}{end}")
        assert (old.organization, old.name, old.sharing_token) == ("o", name, token)


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        (f"{HOST}/datasets/brain-{ID}", True),
        (f"{HOST}/datasets/{ID}/view", True),
        (f"{HOST}/datasets/Org/brain/view", True),
        ("https://webknossos.org/datasets/Org/brain", True),
        ("https://webknossos.org/links/key", True),
        (f"{HOST}/datasets/Org/brain", False),  # as likely a folder on a web server
        (f"{HOST}/datasets/brain", False),
        (f"{HOST}/links/key", False),
        (f"{HOST}/annotations/{ID}", False),
        ("/datasets/Org/brain/view", False),
        ("s3://bucket/datasets/Org/brain/view", False),
    ],
)
def test_only_what_is_surely_a_servers_is_taken(url: str, accepted: bool) -> None:
    assert Webknossos().accepts(url) is accepted


def test_an_address_says_everything_itself() -> None:
    with pytest.raises(InvalidArgumentError, match="sharing_token was given beside an address"):
        find(f"{HOST}/datasets/{ID}", sharing_token="x")
    with pytest.raises(InvalidArgumentError, match="one of dataset_name_or_url and dataset_id"):
        find()


def test_annotations_are_refused_with_the_reason() -> None:
    with pytest.raises(UnsupportedOperationError, match="is the address of an annotation"):
        find(f"{HOST}/annotations/{ID}")


def test_tokens_are_not_shown() -> None:
    assert "sec-ret" not in repr(Address.read(f"{HOST}/datasets/{ID}?token=sec-ret"))
