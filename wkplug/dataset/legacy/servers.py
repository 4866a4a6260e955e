"""What `Dataset` has always had of datasets on servers: `open_remote`, `download`, `upload` and the like.

Each hands on to the class `RemoteDataset` that a plugin brings; nothing about servers is known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug import registry
from wkplug.errors import PluginMissingError
from wkplug.lazy import resolve

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from wkplug.geometry import MagLike, NDBoundingBox

__all__ = ["ServedDataset", "speaking_to"]


def speaking_to(url: str | None, token: str | None) -> AbstractContextManager[object]:
    """A block in which servers are spoken to as somebody; PluginMissingError (an ImportError) without a plugin."""
    context: AbstractContextManager[object] = _exported("webknossos_context")(url, token)
    return context


def _remote() -> Any:
    """The class that shows datasets on servers; PluginMissingError (an ImportError) where no plugin brings one."""
    return _exported("RemoteDataset")


def _exported(name: str) -> Any:
    found = registry.remote_exports().get(name)
    if found is None:
        raise PluginMissingError(
            "Datasets on servers need a plugin, which is not installed.", hint="pip install wkplug-remote"
        )
    return resolve(found)


class ServedDataset:
    """The ways of a dataset to servers and back."""

    @classmethod
    def open_remote(
        cls,
        dataset_name_or_url: str | None = None,
        *,
        organization_id: str | None = None,
        sharing_token: str | None = None,
        webknossos_url: str | None = None,
        dataset_id: str | None = None,
        annotation_id: str | None = None,
        access_mode: Any = None,
        read_only: bool = False,
        use_zarr_streaming: bool | None = None,
    ) -> Any:
        """Open a dataset on a server by its name, id or address: `wk.RemoteDataset.open`."""
        return _remote().open(
            dataset_name_or_url,
            organization_id=organization_id,
            sharing_token=sharing_token,
            webknossos_url=webknossos_url,
            dataset_id=dataset_id,
            annotation_id_or_url=annotation_id,
            access_mode=access_mode,
            read_only=read_only,
            use_zarr_streaming=use_zarr_streaming,
        )

    @classmethod
    def get_remote_datasets(
        cls,
        *,
        organization_id: str | None = None,
        tags: str | Sequence[str] | None = None,
        name: str | None = None,
        folder_id: Any = None,
    ) -> Mapping[str, Any]:
        """Give the datasets on a server that may be seen: `wk.RemoteDataset.list`."""
        listed: Mapping[str, Any] = _remote().list(
            organization_id=organization_id, tags=tags, name=name, folder_id=folder_id
        )
        return listed

    @classmethod
    def download(
        cls,
        dataset_name_or_url: str,
        *,
        organization_id: str | None = None,
        sharing_token: str | None = None,
        webknossos_url: str | None = None,
        bbox: NDBoundingBox | None = None,
        layers: Sequence[str] | str | None = None,
        mags: Sequence[MagLike] | None = None,
        path: str | os.PathLike[str] | None = None,
        exist_ok: bool = False,
    ) -> Any:
        """Copy a dataset on a server, or a part of it, to a folder: `wk.RemoteDataset.download`."""
        dataset = cls.open_remote(
            dataset_name_or_url,
            organization_id=organization_id,
            sharing_token=sharing_token,
            webknossos_url=webknossos_url,
        )
        return dataset.download(bbox=bbox, layers=layers, mags=mags, path=path, exist_ok=exist_ok)

    def upload(
        self,
        *,
        new_dataset_name: str | None = None,
        initial_team_ids: Sequence[str] | None = None,
        folder: Any = None,
        require_unique_name: bool = False,
        layers_to_link: Sequence[Any] | None = None,
        transfer_mode: Any = "http",
        jobs: int | None = None,
        common_storage_path_prefix: str | None = None,
        folder_id: Any = None,
    ) -> Any:
        """Copy the dataset to a server, and open it there: gives a `wk.RemoteDataset`.

        new_dataset_name: its name there, by default its own. initial_team_ids: the teams that may see it. folder: the
        folder there, its path or id. require_unique_name: refuse a name that another dataset there has.
        layers_to_link: `wk.LayerToLink` or layers of datasets there, which are listed in the new one and not uploaded,
        nor is what is called like them here. transfer_mode: by HTTP, or by copies or links where server and client see
        the same disks or buckets. jobs: how many pieces are sent at the same time, 5 by default.
        An upload that was broken off goes on with what is missing when it is called again.
        """
        return _remote().upload_of(
            self,
            new_dataset_name=new_dataset_name,
            initial_team_ids=initial_team_ids,
            folder=folder,
            require_unique_name=require_unique_name,
            layers_to_link=layers_to_link,
            transfer_mode=transfer_mode,
            jobs=jobs,
            common_storage_path_prefix=common_storage_path_prefix,
            folder_id=folder_id,
        )

    def publish_to_preliminary_dataset(
        self, dataset_id: str, *, path_prefix: str | None = None, transfer_mode: Any = "copy"
    ) -> None:
        """Fill a dataset that was made on a server without data; both see the same disks or buckets."""
        _remote().publish_to_preliminary(
            self, dataset_id, path_prefix=path_prefix, transfer_mode=transfer_mode
        )

    @classmethod
    def trigger_reload_in_datastore(
        cls,
        *,
        dataset_name_or_url: str | None = None,
        organization_id: str | None = None,
        webknossos_url: str | None = None,
        dataset_id: str | None = None,
        organization: str | None = None,
        datastore_url: str | None = None,
        token: str | None = None,
    ) -> None:
        """Let a server read a dataset's files anew: `wk.RemoteDataset.trigger_reload_in_datastore`."""
        _remote().trigger_reload_in_datastore(
            dataset_name_or_url=dataset_name_or_url,
            organization_id=organization_id,
            webknossos_url=webknossos_url,
            dataset_id=dataset_id,
            organization=organization,
            datastore_url=datastore_url,
            token=token,
        )

    @classmethod
    def trigger_dataset_import(cls, directory_name: str, organization: str, token: str | None = None) -> None:
        """Let a server take in a dataset that was put into its folder: by the name and the organization of yore."""
        _remote().trigger_dataset_import(directory_name, organization, token)
