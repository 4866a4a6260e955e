"""The filesystems of this distribution: for each provider one through obstore, and one through fsspec's driver.

Nothing is read when a place is opened, and no driver is loaded.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from wkplug.abc import Filesystem, Problem, located
from wkplug_cloud.amazon import s3_access
from wkplug_cloud.azure import azure_access
from wkplug_cloud.drivers import AzureDriver, GoogleDriver, S3Driver, installed
from wkplug_cloud.google import google_access
from wkplug_cloud.objects import AzureObjects, GoogleObjects, S3Objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wkplug.abc import Location
    from wkplug_cloud.access import Access
    from wkplug_cloud.buckets import BucketStore

__all__ = [
    "AzureThroughFsspec",
    "AzureThroughObstore",
    "GoogleThroughFsspec",
    "GoogleThroughObstore",
    "S3ThroughFsspec",
    "S3ThroughObstore",
]


class _Buckets(Filesystem):
    """Makes places of a provider's URLs."""

    kind: ClassVar[type[BucketStore]]

    def __init__(self, settings: object = None) -> None:
        del settings

    @staticmethod
    @abstractmethod
    def access(url: str, options: Mapping[str, Any] | None = None) -> tuple[Access, str]:
        """Work out how to reach a URL."""

    @classmethod
    def store(cls, url: str, options: Mapping[str, Any] | None = None) -> BucketStore:
        """Make the store of a URL's bucket."""
        return cls.kind(cls.access(url, options)[0], cls.store)

    def location(self, url: str, *, options: Mapping[str, Any] | None = None) -> Location:
        """Open a place; nothing is read."""
        access, path = type(self).access(url, options)
        return located(self.kind(access, self.store), path)


class _ThroughObstore(_Buckets):
    def problems(self, url: str, *, options: Mapping[str, Any] | None = None) -> Iterable[Problem]:
        """Say which options and credentials obstore can't use."""
        return type(self).access(url, options)[0].problems

    def attempt(self, url: str, *, options: Mapping[str, Any] | None = None) -> Location | Sequence[Problem]:
        """Open a place if obstore can; how it is reached is worked out once."""
        access, path = type(self).access(url, options)
        return access.problems or located(self.kind(access, self.store), path)


class _ThroughFsspec(_Buckets):
    def problems(self, url: str, *, options: Mapping[str, Any] | None = None) -> Iterable[Problem]:
        """Say whether the driver is missing."""
        access, _ = type(self).access(url, options)
        if not installed(access.package):
            yield Problem(
                "not-installed",
                f"the driver {access.package} is not installed",
                f"pip install 'wkplug-cloud[{access.package}]'",
            )


class S3ThroughObstore(_ThroughObstore):
    """s3:// through obstore."""

    access = staticmethod(s3_access)
    kind = S3Objects


class GoogleThroughObstore(_ThroughObstore):
    """gs:// through obstore."""

    access = staticmethod(google_access)
    kind = GoogleObjects


class AzureThroughObstore(_ThroughObstore):
    """az:// through obstore."""

    access = staticmethod(azure_access)
    kind = AzureObjects


class S3ThroughFsspec(_ThroughFsspec):
    """s3:// through s3fs."""

    access = staticmethod(s3_access)
    kind = S3Driver


class GoogleThroughFsspec(_ThroughFsspec):
    """gs:// through gcsfs."""

    access = staticmethod(google_access)
    kind = GoogleDriver


class AzureThroughFsspec(_ThroughFsspec):
    """az:// through adlfs."""

    access = staticmethod(azure_access)
    kind = AzureDriver
