"""What this distribution offers, for the registry. Nothing heavy is imported before a factory is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import FilesystemSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_filesystems"]

_S3 = ("s3", "s3a")
_GS = ("gs", "gcs")
_AZ = ("az", "abfs", "abfss")


@hookimpl
def wkplug_filesystems() -> Iterator[FilesystemSpec]:
    """Offer two ways to each provider: obstore, and fsspec's drivers for the options that only they know."""
    for name, schemes, kind, bucket, driver in (
        ("s3", _S3, "S3", "S3 and stores that speak as it does", "s3fs"),
        ("gs", _GS, "Google", "Google Cloud Storage", "gcsfs"),
        ("az", _AZ, "Azure", "Azure Blob Storage", "adlfs"),
    ):
        yield FilesystemSpec(
            name=f"{name}+obstore",
            factory=f"wkplug_cloud.filesystems:{kind}ThroughObstore",
            schemes=schemes,
            priority=20,
            summary=f"{bucket}, through obstore",
        )
        yield FilesystemSpec(
            name=f"{name}+fsspec",
            factory=f"wkplug_cloud.filesystems:{kind}ThroughFsspec",
            schemes=schemes,
            priority=10,
            summary=f"{bucket}, through {driver}: for options that obstore doesn't know",
        )
