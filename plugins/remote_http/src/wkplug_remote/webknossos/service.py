"""Finding datasets on WEBKNOSSOS servers by name, id, or an address of any year: one request by id, two by name.

`find` is what `RemoteDataset.open` and all that takes a dataset's name or address ask. `Webknossos` answers to
`Dataset.open` and to the command line for addresses that can only be those of a server.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import DatasetSource, RemoteService
from wkplug.errors import (
    InvalidArgumentError,
    MissingError,
    ServedDatasetNotFoundError,
    UnknownNameError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug_remote.webknossos.access_modes import RemoteAccessMode
from wkplug_remote.webknossos.addresses import Address
from wkplug_remote.webknossos.client import Client, segment
from wkplug_remote.webknossos.context import Context, current, server_url, token_for
from wkplug_remote.webknossos.metadata import ServerStore

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SHOWN_AS", "Webknossos", "access_mode", "client_for", "find", "list_datasets", "source_of"]

SHOWN_AS = "wkplug_remote.webknossos.datasets:RemoteDataset"


class Webknossos(RemoteService):
    """WEBKNOSSOS servers, among all web servers."""

    def __init__(self, settings: object = None) -> None:
        del settings

    def accepts(self, url: str) -> bool:
        """Say whether it is a dataset's address: by its id, as a page, or on a server that is known."""
        if not url.startswith(("http://", "https://")) or ("/datasets/" not in url and "/links/" not in url):
            return False
        address = Address.read(url)
        if address.server is None or address.annotation is not None:
            return False
        return address.is_certain or address.server in (current().url, "https://webknossos.org")

    def open(self, url: str, **options: Any) -> DatasetSource:
        """Find the dataset; options: those of every dataset, and `token`, `access_mode`, `transfer_mode`."""
        token, mode = options.pop("token", None), options.pop("access_mode", None)
        options.pop("transfer_mode", None)
        return find(url, token=token, mode=access_mode(mode), options=options)


def access_mode(value: RemoteAccessMode | str | None) -> RemoteAccessMode:
    """Read a mode; the streams of the server where none is given. UnknownNameError (a ValueError)."""
    if value is None:
        return RemoteAccessMode.ZARR_STREAMING
    try:
        return RemoteAccessMode(value)
    except ValueError:
        there = ", ".join(mode.value for mode in RemoteAccessMode)
        raise UnknownNameError(f"There is no access mode {value!r}.", hint=f"Take one of {there}.") from None


def client_for(server: str | None = None, token: str | None = None) -> Client:
    """Give the client of the current context, or one for another server, with the token that is known for it."""
    here = current()
    url = here.url if server is None else server_url(server)
    if token == here.token and url != here.url:
        token = None  # commands hand on the variable WK_TOKEN, which is for the server of WK_URL
    if url == here.url and token is None:
        return Client(here)
    return Client(Context(url, token or token_for(url), here.timeout, None))


def find(
    name_or_url: str | None = None,
    *,
    dataset_id: str | None = None,
    organization_id: str | None = None,
    sharing_token: str | None = None,
    webknossos_url: str | None = None,
    token: str | None = None,
    mode: RemoteAccessMode = RemoteAccessMode.ZARR_STREAMING,
    options: Mapping[str, Any] | None = None,
) -> DatasetSource:
    """Find a dataset. InvalidArgumentError for arguments that say different things, ServedDatasetNotFoundError."""
    address = _address(name_or_url, dataset_id, organization_id, sharing_token, webknossos_url)
    if address.id is not None and address.id == name_or_url:
        address = attrs.evolve(address, name=address.id)  # a name may look like an id
    if address.link is not None:
        address = _followed(address)
    if address.annotation is not None:
        raise UnsupportedOperationError(
            f"{name_or_url} is the address of an annotation.",
            hint="Give that of the dataset: its page has it.",
        )
    client = client_for(address.server, token)
    if address.server is not None and not client.context.token and not address.sharing_token:
        here = current()
        if here.token and here.url != client.url:
            warnings.warn(
                f"[WARNING] {client.url} is asked without a token: the current one is for {here.url}, and for "
                "nobody else. With webknossos_context(url=..., token=...) it gets one.",
                UserWarning,
                stacklevel=2,
            )
    store = _found(client, address, mode)
    return source_of(store, options)


def source_of(store: ServerStore, options: Mapping[str, Any] | None = None) -> DatasetSource:
    """Give what the core makes a dataset of. No job marks mags behind a server, so nobody looks for marks."""
    given = {"read_only": False, **(options or {}), "allow_incomplete": True}
    return DatasetSource(store.root, store, given, shown_as=SHOWN_AS)


def _address(
    name_or_url: str | None,
    dataset_id: str | None,
    organization_id: str | None,
    sharing_token: str | None,
    webknossos_url: str | None,
) -> Address:
    if (name_or_url is None) == (dataset_id is None):
        raise InvalidArgumentError(
            "A dataset on a server is named by one of dataset_name_or_url and dataset_id.",
            hint="Give one of them.",
        )
    if dataset_id is not None:
        address = Address(id=dataset_id)
    else:
        address = Address.read(str(name_or_url))
    if address.server is not None:
        given = {
            "organization_id": organization_id,
            "sharing_token": sharing_token,
            "webknossos_url": webknossos_url,
        }
        for name, value in given.items():
            if value is not None:
                raise InvalidArgumentError(
                    f"{name} was given beside an address, which says that itself.", hint=f"Leave {name} out."
                )
        return address
    return attrs.evolve(
        address,
        organization=organization_id,
        sharing_token=sharing_token,
        server=None if webknossos_url is None else server_url(webknossos_url),
    )


def _followed(address: Address) -> Address:
    """Ask where a short link leads."""
    client = client_for(address.server)
    found = client.api("GET", f"/shortLinks/byKey/{segment(str(address.link))}")
    target = Address.read(str((found or {}).get("longLink", "")))
    if target.server is None:
        raise ServedDatasetNotFoundError(
            f"The link {address.server}/links/{address.link} leads to no dataset.",
            hint="Open it in a browser to see.",
        )
    return target


def _found(client: Client, address: Address, mode: RemoteAccessMode) -> ServerStore:
    def stored(dataset_id: str) -> ServerStore:
        store = ServerStore(client, dataset_id, mode, sharing_token=address.sharing_token)
        store.fetch()
        return store

    name = address.name
    if address.id is not None:
        try:
            return stored(address.id)
        except ServedDatasetNotFoundError:
            if name is None:
                raise
    found = _id_of(client, str(name), address)
    if found is None:
        where = f" in the organization {address.organization!r}" if address.organization else ""
        known = client.context.token or address.sharing_token
        raise ServedDatasetNotFoundError(
            f"{client.url} has no dataset {name!r}{where} that you may see"
            f"{'' if known else '; nobody is logged in, so only public ones are seen'}.",
            hint="Check name and organization; wk.Dataset.get_remote_datasets() gives all that you may see.",
        )
    return stored(found)


def _id_of(client: Client, name: str, address: Address) -> str | None:
    """The id of the dataset of that name; None if there is none."""
    found = [
        one
        for one in list_datasets(client, organization_id=address.organization, name=name)
        if one.get("name") == name
    ]
    if len(found) > 1 and address.organization is None:
        own = [one for one in found if one.get("owningOrganization") == _organization(client)]
        found = own or found
    if len(found) > 1:
        warnings.warn(
            f"[WARNING] {client.url} has {len(found)} datasets called {name!r}; that with the id {found[0]['id']} is "
            "taken. Give the address or the id of the one that is meant.",
            UserWarning,
            stacklevel=2,
        )
    if found:
        return str(found[0]["id"])
    organization = address.organization or _organization(client)
    if organization is None:
        return None
    path = f"/datasets/disambiguate/{segment(organization)}/{segment(name)}/toId"
    try:
        answer = client.api("GET", path, query={"sharingToken": address.sharing_token})
    except MissingError:
        return None
    return None if not isinstance(answer, dict) or "id" not in answer else str(answer["id"])


def _organization(client: Client) -> str | None:
    if not client.context.token:
        return None
    try:
        return str(client.api("GET", "/user")["organization"])
    except (WkplugError, KeyError, TypeError):
        return None


def list_datasets(
    client: Client,
    *,
    organization_id: str | None = None,
    name: str | None = None,
    folder_id: str | None = None,
) -> list[dict[str, Any]]:
    """Ask for the datasets that may be seen, in the short form; a name is searched for, so others may be among them."""
    query = {
        "isActive": True,
        "organizationId": organization_id,
        "searchQuery": name,
        "folderId": folder_id,
        "compact": True if client.version < 16 else None,
    }
    found = client.api("GET", "/datasets", query=query)
    return [one for one in found if isinstance(one, dict) and "id" in one] if isinstance(found, list) else []
