"""Every error that wkplug raises on purpose, as one tree.

Each text says what happened and why; `hint`, on lines of its own, says what to do. Where the long-standing
API documents a built-in type (IndexError for an unknown layer, AssertionError for a bad box), the class
inherits from that built-in too, so that `except` clauses written years ago keep working.

WkplugError
├── InvalidArgumentError       ValueError, AssertionError   arguments that contradict each other or mean nothing
│   ├── ArgumentConflictError  AttributeError               an argument and its older spelling at once
│   ├── GeometryError                                       vectors and boxes that can't be
│   │   └── MagError                                        not a magnification
│   │       └── UnreachableMagError  RuntimeError           a scheme never arrives at the mag that was asked for
│   └── InvalidSchemeError     RuntimeError                 a scheme with two mags of the same largest factor
├── AxisError                  KeyError                     an axis that isn't there
│   └── AxesError              ValueError, AssertionError   axes that can't be transformed
├── UnsupportedDtypeError      ValueError, TypeError        a dtype this category or format can't hold
├── ConfigError                ValueError                   a configuration file, variable or setting is wrong
├── WorkerDiedError            RuntimeError                 a worker process ended before its work was done
├── DatasetError
│   ├── DatasetNotFoundError   FileNotFoundError
│   │   └── ServedDatasetNotFoundError  ValueError          no dataset of that name, id or address on a server
│   ├── DatasetExistsError     RuntimeError                 something is in the way of a new dataset
│   ├── DatasetMismatchError   RuntimeError, AssertionError the existing dataset differs from the one asked for
│   ├── NotADatasetFolderError NotADirectoryError
│   ├── PropertiesError        ValueError                   datasource-properties.json is damaged; names the key
│   │   ├── MissingPropertyError  KeyError
│   │   └── UnsupportedVersionError  AssertionError
│   ├── LayerNotFoundError     IndexError, KeyError
│   │   └── OnlyLayerError     RuntimeError                 the only layer of a category, but there are more or none
│   ├── LayerExistsError       IndexError, ValueError
│   │   └── ListedLayerError   AssertionError               the layer whose files are to be listed is listed already
│   ├── LayerNameError         ValueError, AssertionError
│   ├── LayerMismatchError     AssertionError, ValueError   an existing layer differs from the one asked for
│   ├── CategoryError          RuntimeError, ValueError, TypeError
│   ├── MagNotFoundError       IndexError, KeyError
│   │   ├── NoArraysError      AssertionError               a folder without an array that could be a mag
│   │   └── NoSourceMagError   AssertionError               there is no mag to compute from
│   ├── MagExistsError         IndexError, ValueError, AssertionError
│   │   └── FolderExistsError  FileExistsError              something that nobody lists is where a mag is to go
│   ├── MagMismatchError       ValueError, AssertionError   an existing mag differs from the one asked for
│   ├── AttachmentError        ValueError, KeyError         an attachment that is there already, or isn't
│   ├── IncompleteMagError     RuntimeError                 the job that wrote it has not finished
│   └── ReadOnlyError          RuntimeError
├── ArrayException                                          reading or writing voxels failed
│   ├── OutOfBoundsError       ValueError, AssertionError   a box leaves the layer, view or array
│   │   └── VoxelIndexError    IndexError                   an index that a view doesn't have
│   ├── UnalignedError         ValueError, AssertionError   a write that would rewrite parts of shards
│   ├── ShapeMismatchError     ValueError, AssertionError   data of another shape or channel count
│   ├── DtypeMismatchError     TypeError, ValueError        data of another dtype
│   ├── LayoutError            ValueError, AssertionError   chunk and shard shapes that can't be
│   ├── CorruptDataError       ValueError                   a shard, chunk or header is damaged; never zeros
│   ├── TooLargeError          ValueError, MemoryError      more memory than the budget or a claimed size beyond reason
│   ├── UnsupportedOperationError  RuntimeError             the format or the place can't do that
│   │   ├── HandleError        ValueError                   the mag's array has no handle of that kind
│   │   ├── UnlistableError    StorageError                 a place that doesn't tell what is stored in it
│   │   ├── UnreadableAttachmentError  NotImplementedError  an attachment in a format that wkplug doesn't read
│   │   └── UploadOnlyError    NotImplementedError          a transfer between places that only a server can do
│   └── ForkError              RuntimeError                 an engine with threads in a forked child
├── StorageError               OSError                      a place could not be read or written
│   ├── BucketMissingError     FileNotFoundError            the bucket isn't there: nothing is known of its objects
│   ├── MissingError           FileNotFoundError            definitely not there
│   │   ├── MissingArrayError  ArrayException               no array where one was to be listed
│   │   └── UnknownToServerError  KeyError                  no team, user or folder of that name or id
│   ├── ForbiddenError         PermissionError              there or not: access was refused
│   ├── StorageFullError                                    no space left
│   ├── ConflictError                                       someone else changed it first
│   │   └── AttachmentExistsError  FileExistsError          something is where an attachment was to be written
│   ├── LockTimeoutError       TimeoutError
│   ├── ServerError            RuntimeError                 a server refuses a request; the text says what it says
│   ├── UnsafePathError        ValueError                   a path that leads out of its own root
│   └── WebPageError                                        a page for people where a file was asked for
├── ImageConversionError       ValueError
│   ├── UnsupportedImageFormatError
│   │   └── ImageReaderMissingError  PluginMissingError     no reader, but a known plugin would have one
│   ├── CorruptImageError
│   └── UnsupportedImageDataError
├── ExportError                ValueError                   a volume that the format of another tool can't hold
└── PluginError
    ├── UnknownFormatError     ValueError                   no plugin knows that data format
    ├── UnknownNameError       ValueError, KeyError         no such backend, reader, interpolation, executor
    ├── UnknownSchemeError     ValueError                   no plugin opens such URLs
    ├── PluginMissingError     ImportError                  known, not installed
    ├── PluginBrokenError      ImportError                  installed, but it fails; the cause is chained
    ├── PluginBlockedError                                  installed, but switched off
    ├── PluginIncompatibleError                             installed, but for another plugin API
    ├── PluginConflictError                                 two plugins claim one name
    ├── UnableError            ValueError                   the chosen one can't do this here
    └── AmbiguousChoiceError   ValueError                   two are equally sure
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

__all__ = [
    "AmbiguousChoiceError",
    "ArgumentConflictError",
    "ArrayException",
    "AttachmentError",
    "AttachmentExistsError",
    "AxesError",
    "AxisError",
    "BucketMissingError",
    "CategoryError",
    "ConfigError",
    "ConflictError",
    "CorruptDataError",
    "CorruptImageError",
    "DatasetError",
    "DatasetExistsError",
    "DatasetMismatchError",
    "DatasetNotFoundError",
    "DtypeMismatchError",
    "ExportError",
    "FolderExistsError",
    "ForbiddenError",
    "ForkError",
    "GeometryError",
    "HandleError",
    "ImageConversionError",
    "ImageReaderMissingError",
    "IncompleteMagError",
    "InvalidArgumentError",
    "InvalidSchemeError",
    "LayerExistsError",
    "LayerMismatchError",
    "LayerNameError",
    "LayerNotFoundError",
    "LayoutError",
    "ListedLayerError",
    "LockTimeoutError",
    "MagError",
    "MagExistsError",
    "MagMismatchError",
    "MagNotFoundError",
    "MissingArrayError",
    "MissingError",
    "MissingPropertyError",
    "NoArraysError",
    "NoSourceMagError",
    "NotADatasetFolderError",
    "OnlyLayerError",
    "OutOfBoundsError",
    "PluginBlockedError",
    "PluginBrokenError",
    "PluginConflictError",
    "PluginError",
    "PluginIncompatibleError",
    "PluginMissingError",
    "PropertiesError",
    "ReadOnlyError",
    "ServedDatasetNotFoundError",
    "ServerError",
    "ShapeMismatchError",
    "StorageError",
    "StorageFullError",
    "TooLargeError",
    "UnableError",
    "UnalignedError",
    "UnknownFormatError",
    "UnknownNameError",
    "UnknownSchemeError",
    "UnknownToServerError",
    "UnlistableError",
    "UnreachableMagError",
    "UnreadableAttachmentError",
    "UnsafePathError",
    "UnsupportedDtypeError",
    "UnsupportedImageDataError",
    "UnsupportedImageFormatError",
    "UnsupportedOperationError",
    "UnsupportedVersionError",
    "UploadOnlyError",
    "VoxelIndexError",
    "WebPageError",
    "WkplugError",
    "WorkerDiedError",
]


# Signs of URLs, also percent-encoded, once or more often.
_COLON, _SLASH, _AT = r"(?::|%(?:25)*3[Aa])", r"(?:[/\\]|%(?:25)*2[Ff])", r"(?:@|%(?:25)*40)"
_PLAIN = rf"(?:(?!{_COLON}|{_SLASH}|{_AT})[^\s'\"])"
_HOST = rf"(?:(?:\[|%(?:25)*5[Bb])(?:(?!{_SLASH}|{_AT})\S)*|{_PLAIN}*)"  # a colon in it is in brackets
_START = r"(?:(?<![A-Za-z])|(?<=3[Aa]))"  # also behind the colons of a chain
_BUCKETS = rf"{_START}(?i:s3[an]?|gc?s|oss|obs|cos|r2)"
_REMOTE = (
    rf"(?:{_BUCKETS}|{_START}(?i:https?|s?ftps?|ssh|(?:web)?(?:hdfs|davs?)|abfss?|az|adl|wasbs?|smb|github))"
)
# A password ends at the last "@" of its part of the path; it may hold slashes, as those of Amazon do.
_END = rf"[^\s'\"]*?{_AT}(?:(?:(?!{_SLASH}|{_AT})[^\s'\"])*{_AT})*"
_LOGINS = (
    # Ids of keys are upper-case, buckets and hosts are not; so a slash may stand where the colon should.
    rf"({_BUCKETS}{_COLON}{_SLASH}*)[0-9]*[A-Z][A-Z0-9_]{{3,}}(?:{_COLON}|{_SLASH}){_END}",
    # A port is no password. Local files, drives and memory have no logins.
    rf"((?:{_REMOTE}{_COLON}|(?<!\bfile)(?<!\bmemory)(?<!\b[A-Za-z]){_COLON}{_SLASH}){_SLASH}*)"
    rf"(?!{_HOST}{_COLON}\d+{_SLASH}){_PLAIN}*{_COLON}{_END}",
    rf"({_START}(?i:https?){_COLON}{_SLASH}*)(?:(?:(?!{_SLASH}|{_AT})[^\s'\"])+{_AT})+",
)
_IN_QUERIES = (
    r"(?i)((?:[?&;#]|%(?:25)*(?:3f|26|3b|23))"
    r"(?:[a-z0-9_.-]*(?:signature|credential|token|secret|passw|pwd|api-?_?key|accesskeyid|auth)[a-z0-9_.-]*"
    r"|sig|key|code|jwt|sas|session))(=|%(?:25)*3d)(?:(?!%(?:25)*26)[^&\s'\"])+"
)
# Nobody knows the names of all secrets: of web addresses only short values are shown, and what are addresses again.
_ADDRESSES = r"(?i)\b[a-z][a-z0-9+.-]*://[^\s'\"]*\?[^\s'\"]*"
_VALUES = r"(?i)([?&;][^=&;?]+=)(?![a-z0-9+.]+:|\*\*\*)[^&;#\s'\"]{6,}"


def redacted(text: str) -> str:
    """Take logins, signatures, tokens and whatever else may be secret out of the URLs in a text; they are shown as ***.

    Also where a URL is spelled wrongly or percent-encoded, as in names that were made of one.
    """
    if not any(sign in text for sign in "@=%"):
        return text
    # Compiled when first needed: that takes 5 ms, a good part of importing wkplug.
    text = re.sub(_IN_QUERIES, r"\1\2***", text)
    text = re.sub(_ADDRESSES, lambda found: re.sub(_VALUES, r"\1***", found[0]), text)
    for login in _LOGINS:
        text = re.sub(login, r"\1***@", text)
    return text


class WkplugError(Exception):
    """The root of the tree. `message` says what happened and why, `hint` what to do about it.

    Secrets in URLs are taken out of both. `usual_hint` is the hint of a kind of error where none is given.
    """

    usual_hint: ClassVar[str | None] = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        hint = self.usual_hint if hint is None else hint
        message = redacted(message)
        super().__init__(message)
        self.message = message
        self.hint = None if hint is None else redacted(hint)

    def __str__(self) -> str:
        # Spelled out because KeyError prints the repr of its argument, and OSError its errno.
        if self.hint is None:
            return self.message
        return self.message + "".join(f"\n  {line}" for line in self.hint.splitlines())

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.hint, dict(self.__dict__)))


def _rebuild(kind: type[WkplugError], message: str, hint: str | None, state: dict[str, Any]) -> WkplugError:
    """Unpickle an error whatever its own constructor asks for: worker processes send errors home."""
    error = kind.__new__(kind, message)
    WkplugError.__init__(error, message, hint=hint)
    error.__dict__.update(state)
    return error


# --- values -----------------------------------------------------------------------------------------------


class InvalidArgumentError(WkplugError, ValueError, AssertionError):
    """Arguments contradict each other, or one can't mean anything."""


class ArgumentConflictError(InvalidArgumentError, AttributeError):
    """An argument and its older spelling were given at once."""


class GeometryError(InvalidArgumentError):
    """A vector or a box that can't be: wrong length, unknown text, boxes that don't meet."""


class MagError(GeometryError):
    """Not a magnification: every component must be a power of two."""


class UnreachableMagError(MagError, RuntimeError):
    """The scheme never arrives at the coarsest mag that was asked for."""


class InvalidSchemeError(InvalidArgumentError, RuntimeError):
    """A scheme with two mags of the same largest factor."""


class AxisError(WkplugError, KeyError):
    """An axis that this vector, box or array doesn't have."""


class AxesError(AxisError, InvalidArgumentError):
    """Axes that can't be transformed: a ValueError too."""


class UnsupportedDtypeError(WkplugError, ValueError, TypeError):
    """A dtype that the layer's category or the data format can't hold."""


class ConfigError(WkplugError, ValueError):
    """A configuration file, an environment variable or a setting is wrong."""


class WorkerDiedError(WkplugError, RuntimeError):
    """A worker process ended before its work was done: killed, out of memory, or never properly started."""


# --- datasets ---------------------------------------------------------------------------------------------


class DatasetError(WkplugError):
    """Something is wrong with a dataset, a layer or a mag as a whole."""


class DatasetNotFoundError(DatasetError, FileNotFoundError):
    """There is no dataset at that place."""


class ServedDatasetNotFoundError(DatasetNotFoundError, ValueError):
    """A server has no dataset of that name, id or address, or doesn't show it to whoever asks."""


class DatasetExistsError(DatasetError, RuntimeError):
    """A dataset, or other files, stand where a new dataset was to be made."""


class DatasetMismatchError(DatasetError, RuntimeError, AssertionError):
    """The dataset that exists differs from the one asked for (voxel size or name)."""


class NotADatasetFolderError(DatasetError, NotADirectoryError):
    """The path is a file where a dataset's folder was expected."""


class PropertiesError(DatasetError, ValueError):
    """datasource-properties.json is damaged or says what can't be; the text names file and key."""


class MissingPropertyError(PropertiesError, KeyError):
    """A key that datasource-properties.json must have is missing."""


class UnsupportedVersionError(PropertiesError, AssertionError):
    """datasource-properties.json has a version that this release can't read."""


class LayerNotFoundError(DatasetError, IndexError, KeyError):
    """The dataset has no layer of that name."""


class OnlyLayerError(LayerNotFoundError, RuntimeError):
    """The only layer of a category was asked for, but there are several, or none."""


class LayerExistsError(DatasetError, IndexError, ValueError):
    """The dataset already has a layer of that name."""


class ListedLayerError(LayerExistsError, AssertionError):
    """The layer whose files are to be listed is listed already."""


class LayerNameError(DatasetError, ValueError, AssertionError):
    """A name that no layer may have."""


class LayerMismatchError(DatasetError, AssertionError, ValueError):
    """The layer that exists differs from the one asked for."""


class CategoryError(DatasetError, RuntimeError, ValueError, TypeError):
    """Not a category, or a layer of the other category."""


class MagNotFoundError(DatasetError, IndexError, KeyError):
    """The layer has no such mag."""


class NoArraysError(MagNotFoundError, AssertionError):
    """A folder without a single array that could be a mag."""


class NoSourceMagError(MagNotFoundError, AssertionError):
    """There is no mag to compute from: over the years an AssertionError and a KeyError."""


class MagExistsError(DatasetError, IndexError, ValueError, AssertionError):
    """The layer already has that mag."""


class FolderExistsError(MagExistsError, FileExistsError):
    """Something nobody lists stands where a mag is to go."""


class MagMismatchError(DatasetError, ValueError, AssertionError):
    """The mag that exists differs from the one asked for."""


class AttachmentError(DatasetError, ValueError, KeyError):
    """An attachment that is listed already, isn't listed, or is of no known kind or format."""


class IncompleteMagError(DatasetError, RuntimeError):
    """The mag is marked: the job that was writing it has not finished."""


class ReadOnlyError(DatasetError, RuntimeError):
    """The dataset, layer, mag or view was opened for reading only, or belongs to someone else."""


# --- voxels -----------------------------------------------------------------------------------------------


class ArrayException(WkplugError):  # noqa: N818 - the name that users' except clauses hold
    """Voxels could not be read or written."""


class OutOfBoundsError(ArrayException, ValueError, AssertionError):
    """A box leaves the layer, the view or the array."""


class VoxelIndexError(OutOfBoundsError, IndexError):
    """An index, as in `view[...]`, beyond the view's voxels or of a kind that isn't supported."""


class UnalignedError(ArrayException, ValueError, AssertionError):
    """A write whose faces are not on shard borders."""


class ShapeMismatchError(ArrayException, ValueError, AssertionError):
    """Data whose shape or number of channels doesn't fit the place it is written to."""


class DtypeMismatchError(ArrayException, TypeError, ValueError):
    """Data whose dtype can't be stored without loss."""


class LayoutError(ArrayException, ValueError, AssertionError):
    """Chunk and shard shapes that don't fit each other or the format."""


class CorruptDataError(ArrayException, ValueError):
    """A shard, chunk or header is damaged. It is never read as zeros."""

    usual_hint = "Restore it from a copy, or copy it again from where it comes."


class TooLargeError(ArrayException, ValueError, MemoryError):
    """More memory than the budget allows, or a size in a header beyond all reason."""


class UnsupportedOperationError(ArrayException, RuntimeError):
    """The data format, the engine or the storage can't do that."""


class HandleError(UnsupportedOperationError, ValueError):
    """The mag's array has no handle of the kind that was asked for."""


class UnreadableAttachmentError(UnsupportedOperationError, NotImplementedError):
    """An attachment in a format that wkplug doesn't read."""


class UploadOnlyError(UnsupportedOperationError, NotImplementedError):
    """A transfer between places that only a server can do."""


class ForkError(ArrayException, RuntimeError):
    """An engine that runs threads was used before this process was forked."""


# --- storage ----------------------------------------------------------------------------------------------


class StorageError(WkplugError, OSError):
    """A file or object could not be read or written."""


class MissingError(StorageError, FileNotFoundError):
    """Definitely not there. The only answer that may be read as fill value."""


class BucketMissingError(StorageError, FileNotFoundError):
    """The bucket or container of an address isn't there; no MissingError, since nothing is known of what lay in it."""


class MissingArrayError(MissingError, ArrayException):
    """There is no array where one was to be listed."""


class UnknownToServerError(MissingError, KeyError):
    """A server has no team, user or folder of that name or id."""


class ForbiddenError(StorageError, PermissionError):
    """Access was refused; the thing may or may not be there."""


class StorageFullError(StorageError):
    """No space left, or a quota is used up."""


class ConflictError(StorageError):
    """Someone else changed the object between our reading and writing it."""


class AttachmentExistsError(ConflictError, FileExistsError):
    """There is something where an attachment was to be written."""


class LockTimeoutError(StorageError, TimeoutError):
    """Another process held the lock longer than we were willing to wait."""


class ServerError(StorageError, RuntimeError):
    """A server refuses a request, or gives an answer that makes no sense; the text says what the server says."""


class UnsafePathError(StorageError, ValueError):
    """A path that leads out of the root it belongs to."""


class WebPageError(StorageError):
    """A web server answers with a page for people where a file was asked for: a login, or a folder's index."""


class UnlistableError(UnsupportedOperationError, StorageError):
    """The place doesn't tell for certain what is stored in it, as web servers don't."""


# --- images -----------------------------------------------------------------------------------------------


class ImageConversionError(WkplugError, ValueError):
    """An image could not be turned into a layer; `path` names it where one file is to blame."""

    def __init__(self, message: str, path: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class UnsupportedImageFormatError(ImageConversionError):
    """No installed reader accepts the file, or there is no image at all."""


class CorruptImageError(ImageConversionError):
    """The file is damaged or cut short."""


class UnsupportedImageDataError(ImageConversionError):
    """The file is sound, but a layer can't hold what is in it."""


class ExportError(WkplugError, ValueError):
    """The format of another tool can't hold the volume: its dtype, its axes or its size."""


# --- plugins ----------------------------------------------------------------------------------------------


class PluginError(WkplugError):
    """Something about plugins: missing, broken, blocked, or at odds with each other."""


class UnknownFormatError(PluginError, ValueError):
    """No plugin, installed or known, has that data format."""


class UnknownNameError(PluginError, ValueError, KeyError):
    """No such backend, reader, interpolation, executor or exporter."""


class UnknownSchemeError(PluginError, ValueError):
    """No plugin opens URLs of that scheme."""


class PluginMissingError(PluginError, ImportError):
    """A known plugin would do it, but it isn't installed."""


class ImageReaderMissingError(UnsupportedImageFormatError, PluginMissingError):
    """No installed reader accepts the file, but a known plugin, which isn't installed, would."""


class PluginBrokenError(PluginError, ImportError):
    """The plugin is installed but fails; the cause is chained."""


class PluginBlockedError(PluginError):
    """The plugin is installed but the configuration switches it off."""


class PluginIncompatibleError(PluginError):
    """The plugin is installed but was made for another version of the plugin API."""


class PluginConflictError(PluginError):
    """Two plugins claim the same name."""


class UnableError(PluginError, ValueError):
    """The chosen implementation can't do this here; the text gives its reasons."""


class AmbiguousChoiceError(PluginError, ValueError):
    """Two candidates are equally sure; the text shows the configuration line that decides."""
