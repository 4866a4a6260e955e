"""Buckets of real servers, each by the two ways that reach them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from wkplug_cloud import filesystems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug_cloud.buckets import BucketStore

    from tests.servers.fixtures import Bucket
    from wkplug.abc import Location

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages


class Way(NamedTuple):
    """A bucket and the filesystem that opens it."""

    bucket: Bucket
    kind: type[Any]

    @property
    def store(self) -> BucketStore:
        store: BucketStore = self.kind.store(self.bucket.url, self.bucket.options)
        return store

    def place(self, path: str = "data") -> Location:
        place: Location = self.kind().location(f"{self.bucket.url}/{path}", options=self.bucket.options)
        return place

    def nowhere(self) -> Location:
        """A place in a bucket that isn't there."""
        url = f"{self.bucket.url[:-6]}absent/data"
        place: Location = self.kind().location(url, options=self.bucket.options)
        return place


@pytest.fixture(scope="session")
def google_front(gs_server: str) -> Iterator[str]:
    """The URL of Google's XML interface before the server of Google's storage."""
    from google_xml import google_xml

    with google_xml(gs_server) as url:
        yield url


@pytest.fixture
def xml_bucket(gs_bucket: Bucket, google_front: str) -> Bucket:
    """A new bucket of Google's by the XML interface, which obstore speaks."""
    return replace(gs_bucket, options={"base_url": google_front, "anon": True}, environment={})


@pytest.fixture(params=["s3+obstore", "gs+obstore", "az+obstore", "s3+fsspec", "gs+fsspec", "az+fsspec"])
def way(request: pytest.FixtureRequest) -> Way:
    """Each provider by each way."""
    provider, _, driver = request.param.partition("+")
    name = "xml_bucket" if request.param == "gs+obstore" else f"{provider}_bucket"
    kind = {"s3": "S3", "gs": "Google", "az": "Azure"}[provider] + f"Through{driver.capitalize()}"
    return Way(request.getfixturevalue(name), getattr(filesystems, kind))
