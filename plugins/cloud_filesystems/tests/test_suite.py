"""Buckets keep every promise of places, on real servers, by each of the two ways that reach them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from wkplug.testing import FilesystemSuite

if TYPE_CHECKING:
    from conftest import Way
    from wkplug.abc import Location


class _Buckets(FilesystemSuite):
    @pytest.fixture
    def place(self, way: Way, monkeypatch: pytest.MonkeyPatch) -> Location:
        for name, value in way.bucket.environment.items():
            monkeypatch.setenv(name, value)
        return way.place(f"suite-{uuid.uuid4().hex}")


@pytest.mark.parametrize("way", ["s3+obstore"], indirect=True)
class TestS3(_Buckets):
    secrets = ("verysecret",)


@pytest.mark.parametrize("way", ["gs+obstore"], indirect=True)
class TestGoogle(_Buckets):
    shared = False  # the address of the server's XML interface is an option, and no variable


@pytest.mark.parametrize("way", ["az+obstore"], indirect=True)
class TestAzure(_Buckets):
    secrets = ("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",)


@pytest.mark.long
@pytest.mark.parametrize("way", ["s3+fsspec"], indirect=True)
class TestS3ThroughFsspec(_Buckets):
    secrets = ("verysecret",)


@pytest.mark.long
@pytest.mark.parametrize("way", ["gs+fsspec"], indirect=True)
class TestGoogleThroughFsspec(_Buckets):
    pass


@pytest.mark.long
@pytest.mark.parametrize("way", ["az+fsspec"], indirect=True)
class TestAzureThroughFsspec(_Buckets):
    secrets = ("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",)
