"""The core's own plugin: registered through the same hooks as everybody else's, only never blocked.

It lists memory arrays (`memory`), local files and whatever fsspec opens (`wkplug.filesystems`), the basic modes
(`wkplug.interpolation`) and local executors (`executors`); and is the one plain implementation of opening and
creating arrays, which other plugins wrap. Nothing but the specs is imported: the registry reaches each by the name
that its spec gives. `raw` is a reader that is never chosen, and so not listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import (
    ArrayBackendSpec,
    ExecutorSpec,
    FilesystemSpec,
    InterpolationSpec,
    hookimpl,
)
from wkplug.notices import make_older_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Array, CreateArray, OpenArray

__all__ = [
    "wkplug_array_backends",
    "wkplug_create_array",
    "wkplug_executors",
    "wkplug_filesystems",
    "wkplug_interpolations",
    "wkplug_open_array",
]

# Names that places and modes had first; pickles, scripts and plugins' tests hold them.
make_older_home(__name__, "local", moved_to="wkplug.filesystems.local")
make_older_home(__name__, "interpolations", moved_to="wkplug.interpolation")

# What fsspec knows by itself, without local files and what a distribution of its own opens better. A driver that isn't
# installed is an error when it is used; so are the schemes that are no places, with what to do instead.
_FSSPEC_SCHEMES = (
    "adl", "arrow_hdfs", "asynclocal", "blockcache", "box", "dask", "data",
    "dbfs", "dir", "dropbox", "dvc", "filecache", "ftp", "gdrive", "gist", "git", "github",
    "hdfs", "hf", "jlab", "jupyter", "lakefs", "libarchive", "memory", "oci",
    "ocilake", "oss", "reference", "root", "sftp", "simplecache", "smb", "ssh", "tar",
    "tos", "tosfs", "wandb", "webdav", "webhdfs", "zip",
)  # fmt: skip

_COLOR = ("color",)
_LABELS = ("segmentation",)
_BOTH = ("color", "segmentation")


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    """Arrays in memory."""
    yield ArrayBackendSpec(
        name="memory+numpy",
        format="memory",
        factory="wkplug.builtin.memory:MemoryBackend",
        summary="numpy arrays in this process' memory, gone with it",
    )


@hookimpl
def wkplug_filesystems() -> Iterator[FilesystemSpec]:
    """Local files, and everything else through fsspec unless a plugin does it better."""
    yield FilesystemSpec(
        name="local",
        schemes=("", "file"),
        factory="wkplug.filesystems.local:LocalFilesystem",
        summary="files on this machine",
    )
    yield FilesystemSpec(
        name="zip",
        schemes=("zip",),
        factory="wkplug.filesystems.zip:ZipFilesystem",
        summary="files in zip archives: zip://inner::outer",
    )
    yield FilesystemSpec(
        name="fsspec",
        schemes=_FSSPEC_SCHEMES,
        factory="wkplug.filesystems.fsspec:FsspecFilesystem",
        priority=-10,
        summary="whatever fsspec has a driver for",
    )


@hookimpl
def wkplug_interpolations() -> Iterator[InterpolationSpec]:
    """The modes for pyramids. Those that make new values are not for segment ids."""
    for name, home, categories, summary in (
        ("bicubic", "sums:Bicubic", _COLOR, "a quadratic spline at each block's centre"),
        ("bilinear", "sums:Bilinear", _COLOR, "linear interpolation at each block's centre"),
        ("max", "order_statistics:Max", _BOTH, "the largest value of each block"),
        ("mean", "sums:Mean", _COLOR, "the mean of each block"),
        (
            "median",
            "order_statistics:Median",
            _BOTH,
            "the median of each block; the default for colour layers",
        ),
        ("median_unbiased", "order_statistics:MedianUnbiased", _COLOR, "the median, rounded half to even"),
        ("min", "order_statistics:Min", _BOTH, "the smallest value of each block"),
        ("mode", "mode:Mode", _BOTH, "the most frequent value of each block; the default for segmentations"),
        ("mode_sparse", "mode:ModeSparse", _LABELS, "the most frequent value of each block other than 0"),
        ("nearest", "order_statistics:Nearest", _BOTH, "the first voxel of each block"),
    ):
        yield InterpolationSpec(
            name=name,
            categories=categories,
            factory=f"wkplug.interpolation.{home}",
            summary=summary,
        )


@hookimpl
def wkplug_executors() -> Iterator[ExecutorSpec]:
    """This machine."""
    for name, summary in (
        ("processes", "several processes, started afresh"),
        ("sequential", "one call after the other, in this thread"),
        ("threads", "several threads of this process"),
    ):
        yield ExecutorSpec(
            name=name,
            factory=f"wkplug.builtin.executors:{name.capitalize()}Executor",
            summary=summary,
        )


@hookimpl
def wkplug_open_array(request: OpenArray) -> Array:
    """Open what was chosen; the innermost of all wrappers."""
    return request.backend.open(request.location, request.mode, axes=request.axes)


@hookimpl
def wkplug_create_array(request: CreateArray) -> Array:
    """Create what was chosen."""
    return request.backend.create(request.location, request.spec)
