"""Plugins: what is installed, what it offers, and who is chosen for a task.

Everything above asks here, by name or by task, and gets objects of `wkplug.abc`; nobody above knows a plugin.
The functions use the default manager of the process, which is made at the first call: importing this package
looks at nothing, and imports neither numpy nor an engine. Which plugins may run (`plugins_*` settings) is
part of the default manager's identity, so `with wkplug.settings(plugins_blocked=...)` has one of its own.

Tests replace it: `with use_manager(Manager(paths=[...])):`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from wkplug.config import current
from wkplug.errors import InvalidArgumentError, PluginError
from wkplug.registry.manager import Manager, Registered
from wkplug.registry.plugins import (
    BACKEND,
    COMMAND,
    DIALECT,
    EXECUTOR,
    EXPORTER,
    FILESYSTEM,
    IMPORTER,
    REMOTE,
    Plugin,
    PluginWarning,
    State,
)
from wkplug.registry.registry import current_registry, get_manager, use_manager
from wkplug.registry.selection import Choice, Ranked

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wkplug.abc import (
        Array,
        ArrayBackend,
        ArraySpec,
        CreateArray,
        Executor,
        Exporter,
        Filesystem,
        Image,
        Importer,
        Interpolation,
        Location,
        MetadataDialect,
        OpenArray,
        RemoteService,
    )
    from wkplug.errors import WkplugError

__all__ = [
    "Choice",
    "Manager",
    "Plugin",
    "PluginWarning",
    "Ranked",
    "Registered",
    "State",
    "all_readers_failed",
    "axes_of_format",
    "backend",
    "check_backends",
    "check_format",
    "choose_backend",
    "choose_exporter",
    "choose_format",
    "choose_importer",
    "choose_reader",
    "command",
    "commands",
    "contents_of",
    "create_array",
    "dialects",
    "executor",
    "executors",
    "exporter",
    "filesystem",
    "formats",
    "get_manager",
    "importer",
    "interpolation",
    "interpolations",
    "open_array",
    "open_with_another_reader",
    "remote",
    "remote_exports",
    "remotes",
    "service_for",
    "use_manager",
]


# --- arrays -----------------------------------------------------------------------------------------------


def formats() -> tuple[str, ...]:
    """Give the data formats that enabled plugins offer, sorted."""
    from wkplug.registry import arrays

    return arrays.formats(current_registry())


def axes_of_format(name: str) -> tuple[str, ...] | None:
    """The one order of axes that arrays of a format have; None if it is free, or the format isn't known."""
    return current_registry().axes_of_formats().get(name)


def check_format(name: str) -> str:
    """Give `name` back if a plugin offers that data format.

    UnknownFormatError (a ValueError) with a suggestion if nobody knows it; PluginMissingError,
    PluginBrokenError, PluginBlockedError or PluginIncompatibleError if the plugin that would is not at hand.
    """
    from wkplug.registry import arrays

    registry = current_registry()
    if name not in arrays.formats(registry):
        raise arrays.no_such_format(registry, name)
    return name


def backend(name: str) -> ArrayBackend:
    """Give the array backend "format+implementation", the same object each time."""
    registry = current_registry()
    made: ArrayBackend = registry.build(BACKEND, registry.find(BACKEND, name))
    return made


def check_backends(backends: Mapping[str, str]) -> dict[str, str]:
    """Give a mapping from data formats to implementations ("zarr" or "zarr3+zarr"), each with its full name.

    The errors of `check_format` and `backend` for names that nobody has; InvalidArgumentError for another format's.
    """
    registry = current_registry()
    checked = {}
    for data_format, named in backends.items():
        check_format(str(data_format))
        name = named if "+" in named else f"{data_format}+{named}"
        if name.partition("+")[0] != data_format:
            raise InvalidArgumentError(
                f"The backend {named!r} was asked for {data_format}, but it is for {name.partition('+')[0]}.",
                hint=f"Name an implementation of {data_format}.",
            )
        checked[str(data_format)] = registry.find(BACKEND, name).spec.name
    return checked


def choose_backend(
    location: Location,
    *,
    data_format: str | None = None,
    mode: Literal["r", "r+", "create"] = "r",
    explicit: str | None = None,
    spec: ArraySpec | None = None,
    thorough: bool = False,
) -> Choice:
    """Choose who opens or creates the array at `location`; the choice's `winner` is the ArrayBackend.

    data_format: what the data record, or the user wants; None leaves it to rules and probing. mode: "create"
    also where `spec` says what is to be created. explicit: a backend's name, or an implementation's alone.
    thorough: ask even those that can't win any more, to explain the choice. Warnings of the winner are in
    `Choice.warnings`, for the caller to tell or not.

    UnableError (or what a backend's Problem names) if the one asked for, or all, can't do it here;
    AmbiguousChoiceError if the place looks like two formats; MissingError if there is nothing to open.
    """
    from wkplug.registry import arrays

    return arrays.choose_backend(
        current_registry(),
        location,
        data_format=data_format,
        mode=mode,
        explicit=explicit,
        spec=spec,
        thorough=thorough,
    )


def choose_format(location: Location, *, thorough: bool = False) -> Choice:
    """Find out which data format the array at `location` has; the choice's `winner` is its name."""
    from wkplug.registry import arrays

    return arrays.choose_format(current_registry(), location, thorough=thorough)


def open_array(request: OpenArray) -> Array:
    """Open an array with the backend that was chosen, inside all wrappers that plugins put around it."""
    array: Array = get_manager().call("wkplug_open_array", request=request)
    return array


def create_array(request: CreateArray) -> Array:
    """Create an array, likewise."""
    array: Array = get_manager().call("wkplug_create_array", request=request)
    return array


def dialects(data_format: str) -> tuple[MetadataDialect, ...]:
    """Give the metadata dialects for layers of a format, in the order of their names."""
    registry = current_registry()
    offers = [offer for offer in registry.offers(DIALECT) if data_format in offer.spec.formats]
    made: list[MetadataDialect] = []
    for name in sorted({offer.spec.name for offer in offers}):
        # Metadata for others must not keep anybody from writing voxels: a dialect that fails is left out.
        with registry.left_out(name):
            made.append(registry.build(DIALECT, registry.find(DIALECT, name)))
    return tuple(made)


# --- files and places -------------------------------------------------------------------------------------


def filesystem(url: str) -> Filesystem:
    """Give the filesystem for a URL or a plain path. UnknownSchemeError if there is none for its scheme."""
    from wkplug.registry import files

    # Every place of a dataset comes through here, so the last answer for a scheme is kept with its settings.
    registry, settings, scheme = current_registry(), current(), files.scheme_of(url)
    last = registry.last_filesystems.get(scheme)
    if last is None or last[0] is not settings:
        made = files.choose_filesystem(registry, url).winner
        last = registry.last_filesystems[scheme] = (settings, made)
    filesystem: Filesystem = last[1]
    return filesystem


def markers() -> frozenset[str]:
    """Give the names of all files that say of a folder that it is an array or a container some plugin reads."""
    registry = current_registry()
    return frozenset(
        marker
        for kind in (BACKEND, IMPORTER)
        for offer in registry.offers(kind)
        for marker in offer.spec.markers
    )


def schemes() -> frozenset[str]:
    """Give all URL schemes that an installed filesystem says to open, in lower case."""
    return frozenset(
        scheme for offer in current_registry().offers(FILESYSTEM) for scheme in offer.spec.schemes if scheme
    )


def choose_reader(
    location: Location,
    head: bytes,
    *,
    explicit: str | None = None,
    folder: bool = False,
    thorough: bool = False,
) -> Choice:
    """Choose who reads an image, from its name and its first 4,096 bytes; `winner` is the ImageReader.

    folder: it is a folder, so only readers that take folders count.

    UnsupportedImageFormatError if nobody accepts it, ImageReaderMissingError if a plugin that isn't installed
    would; AmbiguousChoiceError if two are equally sure.
    """
    from wkplug.registry import files

    return files.choose_reader(
        current_registry(), location, head, explicit=explicit, folder=folder, thorough=thorough
    )


def contents_of(head: bytes) -> str:
    """Say what a file surely is that is no image, from its first bytes: "it is empty"; "" if it may be one."""
    from wkplug.registry import files

    return files.contents_of(head)


def open_with_another_reader(
    location: Location,
    head: bytes,
    failed: str,
    error: WkplugError,
    *,
    scene: int = 0,
    folder: bool = False,
    without: Collection[str] = (),
) -> tuple[Choice, Image]:
    """Open an image whose automatically chosen reader `failed` with `error`, before anything was made of it.

    The new choice tells why it fell on another reader. If no other reader is there, `error` is raised; if none of
    them opens the file, an error of its type that names all with their reasons. without: readers not to try.
    """
    from wkplug.registry import files

    return files.open_with_another(
        current_registry(), location, head, failed, error, scene=scene, folder=folder, without=without
    )


def all_readers_failed(location: Location, refused: Mapping[str, WkplugError], what: str) -> WkplugError:
    """Make the error where several readers failed to do `what` ("read"), by their names, the surest first."""
    from wkplug.registry import files

    return files.all_failed(location, refused, what)


def exporter(name: str) -> Exporter:
    """Give the exporter of that name."""
    registry = current_registry()
    made: Exporter = registry.build(EXPORTER, registry.find(EXPORTER, name))
    return made


def choose_exporter(consumes: str, name: str, explicit: str | None = None) -> Choice:
    """Choose who writes a "volume" or a "sheet" to a file of that name ("a.png"); `winner` is the Exporter."""
    from wkplug.registry import files

    return files.choose_exporter(current_registry(), consumes, name, explicit)


def importer(name: str) -> Importer:
    """Give the importer of that name."""
    registry = current_registry()
    made: Importer = registry.build(IMPORTER, registry.find(IMPORTER, name))
    return made


def choose_importer(location: Location, explicit: str | None = None) -> Choice:
    """Choose who describes the foreign container at `location`; `winner` is the Importer."""
    from wkplug.registry import files

    return files.choose_importer(current_registry(), location, explicit)


# --- work -------------------------------------------------------------------------------------------------


def interpolations(category: str | None = None) -> tuple[str, ...]:
    """Give the names of all interpolation modes, or of those that suit a layer's category; sorted.

    Further implementations of a mode ("median+numba") are not listed; they are found by name as well.
    """
    from wkplug.registry import modes

    return modes.modes(current_registry(), category)


def interpolation(name: str, *, category: str, dtype: str) -> Interpolation:
    """Give an interpolation mode by name or alias, for a layer's category and dtype.

    A mode with several implementations comes as one object that asks for each block who takes it, those of
    high priority first; "mode+implementation" asks for one of them alone.

    UnknownNameError if there is none; UnableError if it would lie about such voxels (mean segment ids);
    UnsupportedDtypeError if it isn't made for the dtype.
    """
    from wkplug.registry import modes

    return modes.choose_mode(current_registry(), name, category, str(dtype))


def executors() -> tuple[str, ...]:
    """Give the names of all executors, sorted."""
    return current_registry().names(EXECUTOR)


def executor(name: str, options: Mapping[str, Any] | None = None) -> Executor:
    """Give a new executor; `options` (such as {"workers": 4}) lie over its plugin's settings."""
    registry = current_registry()
    made: Executor = registry.make(EXECUTOR, registry.find(EXECUTOR, name), options)
    return made


# --- services and commands --------------------------------------------------------------------------------


def remotes() -> tuple[str, ...]:
    """Give the names of all remote services, sorted."""
    return current_registry().names(REMOTE)


def remote(name: str) -> RemoteService:
    """Give the remote service of that name."""
    registry = current_registry()
    made: RemoteService = registry.build(REMOTE, registry.find(REMOTE, name))
    return made


def service_for(url: str) -> RemoteService | None:
    """Give the remote service that a URL is for, None if it is for none.

    A service is asked if its plugin names the URL's scheme, or no scheme at all. One that is broken counts only where
    it names the scheme: it must not keep a plain store from being opened.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    if not scheme:
        return None
    for offer in sorted(current_registry().offers(REMOTE), key=lambda each: each.spec.name):
        schemes = offer.spec.schemes
        if schemes and scheme not in schemes:
            continue
        try:
            service: RemoteService = current_registry().build(REMOTE, offer)
        except PluginError:
            if schemes:
                raise
            continue
        if service.accepts(url):
            return service
    return None


def remote_exports() -> dict[str, str]:
    """Give the names that remote plugins add to the package root: name -> "package.module:attribute".

    Where two plugins export one name, the first by name wins, and `wkplug plugins` shows both.
    """
    exports: dict[str, str] = {}
    for offer in sorted(current_registry().offers(REMOTE), key=lambda each: each.spec.name, reverse=True):
        exports |= offer.spec.exports
    return exports


def commands() -> dict[str, str]:
    """Give the commands that plugins add to the command line: name -> one line about it, sorted."""
    offers = current_registry().offers(COMMAND)
    return {offer.spec.name: offer.spec.summary for offer in sorted(offers, key=lambda each: each.spec.name)}


def command(name: str) -> Any:
    """Give a plugin's command, a `click.Command`."""
    registry = current_registry()
    return registry.build(COMMAND, registry.find(COMMAND, name))
