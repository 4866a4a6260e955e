"""`RemoteDataset` and its parts: a `Dataset` whose metadata a server keeps, and what only servers have.

Voxels are read as of any other dataset, in one of three ways (`RemoteAccessMode`); they can't be written in place. What
is changed here (names, boxes, layers, tags, teams ...) is saved at the server at once. Not here: how a dataset is found
(`service`), what is asked for its metadata (`metadata`), and the bytes of uploads and downloads.
"""

from __future__ import annotations

import copy
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import attrs

from wkplug.abc import locate
from wkplug.dataset import Dataset, Layer, verbs
from wkplug.dataset.transfer import TransferMode
from wkplug.errors import ArgumentConflictError, InvalidArgumentError, WkplugError
from wkplug.geometry import Mag
from wkplug.properties.models import layer_from_json
from wkplug.properties.operations import AddLayer, RemoveLayer
from wkplug_remote.webknossos import uploads
from wkplug_remote.webknossos.access_modes import RemoteAccessMode
from wkplug_remote.webknossos.addresses import is_id
from wkplug_remote.webknossos.client import segment
from wkplug_remote.webknossos.context import current, webknossos_context
from wkplug_remote.webknossos.layers import RemoteLayer, RemoteSegmentationLayer, plain_name
from wkplug_remote.webknossos.listing import RemoteDatasets
from wkplug_remote.webknossos.metadata import server_of
from wkplug_remote.webknossos.organization import RemoteFolder, Team, User, folder_id_of
from wkplug_remote.webknossos.records import Metadata, metadata_to_json
from wkplug_remote.webknossos.service import access_mode as as_mode
from wkplug_remote.webknossos.service import client_for, find, source_of
from wkplug_remote.webknossos.uploads import LayerToLink

if TYPE_CHECKING:
    import os
    import pathlib
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wkplug.abc import DatasetSource
    from wkplug.geometry import MagLike, NDBoundingBox, Vec3IntLike
    from wkplug_remote.webknossos.metadata import ServerStore

__all__ = ["RemoteDataset", "StorageCredentials"]


list_ = list  # `RemoteDataset.list` is a method that users know


@attrs.frozen
class StorageCredentials:
    """What a server needs to read data elsewhere: a user and a password, or the key and the secret of a bucket."""

    credential_identifier: str
    credential_secret: str = attrs.field(repr=False)


class RemoteDataset(Dataset):
    """A dataset on a server: `RemoteDataset.open("brain")`, or `Dataset.open_remote`. Not made by hand.

    It has the interface of `Dataset`, and what only servers have. What the server says is asked for once, when it is
    opened; `refresh` asks again.
    """

    def __init__(self, *_: object, **__: object) -> None:
        raise InvalidArgumentError(
            "A RemoteDataset is not made by hand.",
            hint="Open one with RemoteDataset.open(name), or make one with dataset.upload().",
        )

    @classmethod
    def open(  # type: ignore[override]  # by name, id or address, not by path
        cls,
        dataset_name_or_url: str | None = None,
        *,
        organization_id: str | None = None,
        sharing_token: str | None = None,
        webknossos_url: str | None = None,
        dataset_id: str | None = None,
        annotation_id_or_url: str | None = None,
        access_mode: RemoteAccessMode | str | None = None,
        read_only: bool = False,
        use_zarr_streaming: bool | None = None,
    ) -> Self:
        """Open a dataset by its name, its id, or its address in the form of any year.

        organization_id: of the dataset, where several have one of that name. sharing_token: of a link, in place of the
        user's own. webknossos_url: the server; that of the current context by default. access_mode: how voxels are
        reached. read_only: refuse changes of what the server says of it. use_zarr_streaming: the older form of
        access_mode.
        ServedDatasetNotFoundError (a ValueError and FileNotFoundError), ForbiddenError.
        """
        if annotation_id_or_url is not None:
            dataset_name_or_url = _annotation_address(annotation_id_or_url)
        if use_zarr_streaming is not None:
            if access_mode is not None:
                raise ArgumentConflictError(
                    "Both access_mode and use_zarr_streaming were given.", hint="Give one of them."
                )
            access_mode = (
                RemoteAccessMode.ZARR_STREAMING if use_zarr_streaming else RemoteAccessMode.DIRECT_PATH
            )
        source = find(
            dataset_name_or_url,
            dataset_id=dataset_id,
            organization_id=organization_id,
            sharing_token=sharing_token,
            webknossos_url=webknossos_url,
            mode=as_mode(access_mode),
            options={"read_only": read_only},
        )
        return cls.of_source(source)

    @classmethod
    def of_source(cls, source: DatasetSource) -> Self:
        """Show what a server has answered."""
        return cls._of(source)

    @classmethod
    def list(
        cls,
        organization_id: str | None = None,
        tags: str | Sequence[str] | None = None,
        name: str | None = None,
        folder: RemoteFolder | str | None = None,
        folder_id: RemoteFolder | str | None = None,
    ) -> RemoteDatasets:
        """Give the datasets that may be seen by their ids, or names; each is opened when it is taken out.

        organization_id: that of the user by default. tags: those that have all of them. name: those that are called so.
        folder: those in it, given as a folder, its path or its id.
        """
        client = client_for()
        if organization_id is None and client.context.token:
            organization_id = User.get_current_user().organization_id
        return RemoteDatasets.of(
            client,
            organization_id=organization_id,
            tags=tags,
            name=name,
            folder_id=folder_id_of(folder, folder_id),
        )

    def layer_class(self, category: str) -> type[Layer]:
        """The class that shows the layers of a category."""
        return RemoteSegmentationLayer if category == "segmentation" else RemoteLayer

    # --- how it is reached ---------------------------------------------------------------------------------

    @property
    def dataset_id(self) -> str:
        """The id that the server has given to it."""
        return server_of(self).dataset_id

    @property
    def annotation_id(self) -> None:
        """None: it was not opened through an annotation."""
        return

    @property
    def access_mode(self) -> RemoteAccessMode:
        """How voxels are reached."""
        return server_of(self).mode

    def with_access_mode(self, access_mode: RemoteAccessMode | str) -> RemoteDataset:
        """The same dataset, whose voxels are reached in another way; asks nothing."""
        mode = as_mode(access_mode)
        if mode is self.access_mode:
            return self
        options = {"read_only": self.state.read_only, "backends": self.state.options.backends}
        return type(self).of_source(source_of(server_of(self).other(mode), options))

    def reopen(self, *, access_mode: RemoteAccessMode | str) -> RemoteDataset:
        """As `with_access_mode`, with what the server says by now."""
        self.refresh()
        return self.with_access_mode(access_mode)

    def refresh(self) -> bool:
        """Ask the server what it says by now; gives whether anything had changed."""
        return server_of(self).refresh()

    @property
    def url(self) -> str:
        """The address of its page, without tokens."""
        return server_of(self).url

    def generate_url(self, position: Vec3IntLike | None = None) -> str:
        """The address of its viewer, at a position in Mag(1) voxels."""
        if position is None:
            return f"{self.url}/view"
        x, y, z = (int(number) for number in position)
        return f"{self.url}/view#{x},{y},{z},0,1"

    @property
    def zarr_streaming_path(self) -> pathlib.Path:
        """Where the server gives out its layers as Zarr; `RemoteMagView.path` has that of a mag."""
        found: pathlib.Path = self.path.parent.parent.parent / "zarr" / self.dataset_id
        return found

    # --- what the server says ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name that people see; saved when set."""
        return str(server_of(self).record["name"])

    @name.setter
    def name(self, name: str) -> None:
        self._change("its name", name=name)

    @property
    def display_name(self) -> str:
        """Deprecated: `name`."""
        return self.name

    @display_name.setter
    def display_name(self, name: str) -> None:
        self.name = name

    @property
    def description(self) -> str | None:
        """A text about it, None without one; saved when set."""
        text: str | None = server_of(self).record.get("description")
        return text

    @description.setter
    def description(self, text: str | None) -> None:
        self._change("its description", description=text)

    @description.deleter
    def description(self) -> None:
        self.description = None

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags; saved when set."""
        return tuple(server_of(self).record.get("tags") or ())

    @tags.setter
    def tags(self, tags: Sequence[str]) -> None:
        if isinstance(tags, str):
            raise InvalidArgumentError(f"Tags are a list of texts, not {tags!r}.", hint=f"Give [{tags!r}].")
        self._change("its tags", tags=list(tags))

    @property
    def metadata(self) -> Metadata:
        """Texts, numbers and lists of texts that users have attached; `metadata["key"] = value` saves one."""
        server = server_of(self)
        return Metadata(
            lambda: server.record.get("metadata") or [],
            lambda: server.fetch().get("metadata") or [],
            lambda entries: self._change("its metadata", metadata=entries),
        )

    @metadata.setter
    def metadata(self, values: Mapping[str, Any] | None) -> None:
        self._change("its metadata", metadata=metadata_to_json(values))

    @property
    def is_public(self) -> bool:
        """Whether everybody may see it; saved when set."""
        return bool(server_of(self).record.get("isPublic"))

    @is_public.setter
    def is_public(self, is_public: bool) -> None:
        self._change("who may see it", isPublic=bool(is_public))

    @property
    def folder(self) -> RemoteFolder:
        """The folder that it is in; setting it, to a folder or its path, moves it."""
        return RemoteFolder.get_by_id(server_of(self).record["folderId"])

    @folder.setter
    def folder(self, folder: RemoteFolder | str) -> None:
        self._change("its folder", folderId=folder_id_of(folder))

    @property
    def allowed_teams(self) -> tuple[Team, ...]:
        """The teams that may see it; saved when set, as teams or their ids."""
        return tuple(Team.of(one) for one in server_of(self).record.get("allowedTeams") or ())

    @allowed_teams.setter
    def allowed_teams(self, teams: Sequence[str | Team]) -> None:
        self.state.check_writable("the teams that may see it")
        ids = [team if isinstance(team, str) else team.id for team in teams]
        server = server_of(self)
        server.client.api("PATCH", f"/datasets/{server.dataset_id}/teams", body=ids)
        server.fetch()

    @property
    def sharing_token(self) -> str:
        """The token of the link through which everybody who has it may see the dataset; made when first asked for."""
        server = server_of(self)
        answer = server.client.api("GET", f"/datasets/{server.dataset_id}/sharingToken")
        return str(answer["sharingToken"])

    @property
    def created(self) -> str:
        """When it was made, as in "November 30, 2026 04:45:11"."""
        seconds = server_of(self).record.get("created", 0) / 1000
        return time.strftime("%B %d, %Y %I:%M:%S", time.gmtime(seconds))

    @property
    def used_storage_bytes(self) -> int:
        """How many bytes it takes on the server."""
        return int(server_of(self).record.get("usedStorageBytes") or 0)

    def _change(self, what: str, **values: Any) -> None:
        self.state.check_writable(what)
        server_of(self).change(**values)

    # --- layers --------------------------------------------------------------------------------------------

    def get_layer(self, layer_name: str) -> RemoteLayer:
        """Give a layer; LayerNotFoundError (an IndexError) if there is none of that name."""
        return cast("RemoteLayer", super().get_layer(layer_name))

    def add_layer(self, layer_name: str, category: Any, **options: Any) -> RemoteLayer:
        """Add a layer without mags; see `Dataset.add_layer`. Mags are sent with `RemoteLayer.add_mag_as_copy`."""
        self.state.check_writable("its layers")
        dtype = options.pop("dtype", None)
        per_channel = options.pop("dtype_per_channel", None)
        options.setdefault("data_format", "zarr3")
        request = verbs.changes.LayerRequest(category, per_channel if dtype is None else dtype, **options)
        server_of(self).apply(AddLayer(request.properties(layer_name)))
        return self.get_layer(layer_name)

    def get_or_add_layer(self, layer_name: str, category: Any, **options: Any) -> RemoteLayer:
        """Give the layer, added if need be."""
        return (
            self.get_layer(layer_name)
            if layer_name in self.layers
            else self.add_layer(layer_name, category, **options)
        )

    def add_layer_as_copy(  # type: ignore[override]  # it is sent
        self,
        foreign_layer: Layer | str | os.PathLike[str],
        new_layer_name: str | None = None,
        *,
        data_format: str | None = None,
        exists_ok: bool = False,
        transfer_mode: TransferMode | str = "http",
        common_storage_path_prefix: str | None = None,
        overwrite_pending: bool = True,
        with_attachments: bool = True,
    ) -> RemoteLayer:
        """Send a layer of another dataset, or the one at `<dataset>/<layer>`, with its mags and attachments.

        exists_ok: send what the layer of that name doesn't have yet; LayerExistsError (an IndexError) without.
        """
        source = _layer_at(foreign_layer)
        name = new_layer_name or source.name
        self.state.check_writable("its layers")
        if not (exists_ok and name in self.layers):
            raw = copy.deepcopy(dict(source.dataset.state.store.raw_layer(source.name)))
            plain = {**raw, "name": name, "mags": [], "dataFormat": str(data_format or raw["dataFormat"])}
            plain.pop("attachments", None)
            server_of(self).apply(AddLayer(layer_from_json(plain)))
        layer = self.get_layer(name)
        for mag, view in source.mags.items():
            if mag not in layer.mags:
                layer.add_mag_as_copy(
                    view,
                    transfer_mode=transfer_mode,
                    common_storage_path_prefix=common_storage_path_prefix,
                    overwrite_pending=overwrite_pending,
                )
        if with_attachments and source.category == "segmentation":
            target = layer.as_segmentation_layer().attachments
            known = {(one.type_name, one.name) for one in target}
            for one in source.as_segmentation_layer().attachments:
                if (one.type_name, one.name) not in known:
                    target.add_attachment_as_copy(one, transfer_mode=transfer_mode)
        return layer

    def write_layer(self, layer_name: str, category: Any, data: Any, **options: Any) -> RemoteLayer:
        """Make a layer of an array here, with its coarser mags, and send it; see `Dataset.write_layer`."""
        with self._scratch() as scratch:
            return self.add_layer_as_copy(scratch.write_layer(layer_name, category, data, **options))

    def add_layer_from_images(
        self, images: Any, layer_name: str, *further: Any, **options: Any
    ) -> RemoteLayer:
        """Make a layer of images here, and send it; see `Dataset.add_layer_from_images`."""
        with self._scratch() as scratch:
            made = scratch.add_layer_from_images(images, layer_name, *further, **options)
            return self.add_layer_as_copy(made)

    @contextmanager
    def _scratch(self) -> Iterator[Dataset]:
        self.state.check_writable("its layers")
        with tempfile.TemporaryDirectory(prefix="wkplug-upload-") as folder:
            yield Dataset(Path(folder, "dataset"), voxel_size_with_unit=self.voxel_size_with_unit)

    def add_layer_as_ref(  # type: ignore[override]  # between datasets of the server
        self, foreign_layer: RemoteLayer, new_layer_name: str | None = None
    ) -> RemoteLayer:
        """List a layer of another dataset on the same server; its files stay where they are."""
        self.state.check_writable("its layers")
        if not isinstance(foreign_layer, RemoteLayer):
            raise InvalidArgumentError(
                f"{foreign_layer!r} is not on the server, which can only refer to what it has.",
                hint="Send it with add_layer_as_copy.",
            )
        name = new_layer_name or foreign_layer.name
        body = {
            "sourceDatasetId": server_of(foreign_layer.dataset).dataset_id,
            "sourceLayerName": foreign_layer.name,
            "targetLayerName": name,
        }
        server = server_of(self)
        server.client.api("POST", f"/datasets/{server.dataset_id}/compose/addLayer", body=body)
        server.fetch()
        return self.get_layer(name)

    def downsample(self, **options: Any) -> None:
        """Downsample every layer that has mags; see `RemoteLayer.downsample`."""
        for layer in self.layers.values():
            if layer.mags:
                layer.downsample(**options)

    def download_mesh(
        self,
        segment_id: int,
        output_dir: str | os.PathLike[str],
        *,
        layer_name: str | None = None,
        **options: Any,
    ) -> Path:
        """Save the mesh of a segment as STL; see `RemoteSegmentationLayer.download_mesh`.

        layer_name: by default the only segmentation layer.
        """
        if layer_name is None:
            layers = self.get_segmentation_layers()
            if len(layers) != 1:
                there = ", ".join(repr(layer.name) for layer in layers) or "none"
                raise InvalidArgumentError(
                    f"The dataset {self.name!r} has not one segmentation layer, but {there}.",
                    hint="Give layer_name.",
                )
            layer_name = layers[0].name
        layer = cast("RemoteSegmentationLayer", self.get_segmentation_layer(layer_name))
        return layer.download_mesh(segment_id, output_dir, **options)

    def delete_layer(self, layer_name: str) -> None:
        """Take a layer off the dataset, which deletes it at the server."""
        self.state.check_writable("its layers")
        self.state.layer(layer_name)
        server_of(self).apply(RemoveLayer(layer_name))
        self.state.forget_layer(layer_name)

    def delete(self) -> None:
        """Delete the dataset at the server, with all of its data."""
        self.state.check_writable("whether it is there")
        server = server_of(self)
        server.client.api("DELETE", f"/datasets/{server.dataset_id}")

    # --- there and back ------------------------------------------------------------------------------------

    def download(  # type: ignore[override]  # of this dataset, not of one that is named
        self,
        *,
        sharing_token: str | None = None,
        bounding_box: NDBoundingBox | None = None,
        bbox: NDBoundingBox | None = None,
        layers: Sequence[str] | str | None = None,
        mags: Sequence[MagLike] | MagLike | None = None,
        data_format: str | None = None,
        path: str | os.PathLike[str] | None = None,
        exist_ok: bool = False,
    ) -> Dataset:
        """Copy the dataset, or a part of it, to a folder, and give what lies there.

        bounding_box (or bbox): x, y, z in Mag(1) voxels; voxels stay in their place. layers: their names, all by
        default. mags: of each layer those that it has; each layer's own by default. data_format: of the copy, zarr3 by
        default. path: by default a folder of the dataset's name here. exist_ok: copy into a dataset that is there;
        without, DatasetExistsError (a RuntimeError), unless it is what the same call, broken off, has left: then it
        goes on. sharing_token: of a link, in place of the user's own.
        """
        if bbox is not None and bounding_box is not None:
            raise ArgumentConflictError("Both bounding_box and bbox were given.", hint="Give bounding_box.")
        if sharing_token is not None:
            shared = type(self).open(
                dataset_id=self.dataset_id,
                webknossos_url=server_of(self).client.url,
                sharing_token=sharing_token,
            )
            return shared.with_access_mode(self.access_mode).download(
                bounding_box=bounding_box or bbox, layers=layers, mags=mags, data_format=data_format, path=path,
                exist_ok=exist_ok,
            )  # fmt: skip
        chosen = self._chosen(layers, wanted := _mags(mags))
        copied = self._as_stored(chosen).copy_dataset(
            plain_name(self.name, "path") if path is None else path,
            data_format=cast("Any", data_format or "zarr3"),
            exists_ok=exist_ok,
            layers_to_ignore=[name for name in self.layers if name not in chosen],
            bounding_box=bbox if bounding_box is None else bounding_box,
            mags=wanted,
        )
        if not exist_ok and copied.name != self.name:
            copied.name = self.name
        return copied

    def _chosen(self, layers: Sequence[str] | str | None, mags: Sequence[Mag] | None) -> list_[str]:
        names = (
            list_(self.layers) if layers is None else [layers] if isinstance(layers, str) else list_(layers)
        )
        for name in names:
            layer = self.get_layer(name)
            if mags and not any(mag in layer.mags for mag in mags):
                layer.get_mag(mags[0])  # says which there are
        return names

    def _as_stored(self, layers: Sequence[str]) -> RemoteDataset:
        """The dataset with its files as they are stored, where the server hands them on; else as it is opened."""
        if self.access_mode is not RemoteAccessMode.ZARR_STREAMING:
            return self
        stored = self.with_access_mode(RemoteAccessMode.PROXY_PATH)
        try:
            for name in layers:
                for view in stored.get_layer(name).mags.values():
                    view.info  # noqa: B018 - opens it, and the engine for its format
                    break
        except WkplugError:
            return self
        return stored

    @classmethod
    def upload_of(
        cls,
        dataset: Dataset,
        *,
        new_dataset_name: str | None = None,
        initial_team_ids: Sequence[str | Team] | None = None,
        folder: RemoteFolder | str | None = None,
        require_unique_name: bool = False,
        layers_to_link: Sequence[LayerToLink | RemoteLayer] | None = None,
        transfer_mode: TransferMode | str = "http",
        jobs: int | None = None,
        common_storage_path_prefix: str | None = None,
        folder_id: RemoteFolder | str | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Self:
        """Copy a dataset to the server of the current context: what `Dataset.upload` does.

        progress: is told how many bytes are there, and how many there are.
        """
        client = client_for()
        name = new_dataset_name or dataset.name
        links = [
            link if isinstance(link, LayerToLink) else LayerToLink.from_remote_layer(link)
            for link in layers_to_link or ()
        ]
        store = uploads.upload_store(client)
        uploads.check_name(client, name)
        facts = {
            "datasetName": name,
            "organizationId": client.api("GET", "/user")["organization"],
            "initialTeamIds": [team if isinstance(team, str) else team.id for team in initial_team_ids or ()],
            "layersToLink": [link.to_json() for link in links],
            "folderId": folder_id_of(folder, folder_id),
            "requireUniqueName": require_unique_name,
        }
        mode = TransferMode(transfer_mode)
        if mode is TransferMode.HTTP:
            files = uploads.files_of(dataset, name, {link.shown_as for link in links})
            announced = uploads.Announced(client, store, "dataset", facts)
            made = uploads.send(announced, files, jobs=jobs, progress=progress)
        else:
            made = uploads.transfer(client, dataset, facts, mode, common_storage_path_prefix)
        return cls.open(dataset_id=made)

    @classmethod
    def publish_to_preliminary(
        cls,
        dataset: Dataset,
        dataset_id: str,
        *,
        path_prefix: str | None = None,
        transfer_mode: TransferMode | str = "copy",
    ) -> None:
        """Fill a dataset that the server has made without data: what `Dataset.publish_to_preliminary_dataset` does."""
        mode = TransferMode(transfer_mode)
        if mode is TransferMode.HTTP:
            raise InvalidArgumentError(
                "A preliminary dataset is filled by copies or links, not by HTTP.",
                hint="Give transfer_mode='copy'.",
            )
        uploads.publish(client_for(), dataset, dataset_id, mode, path_prefix)

    @classmethod
    def from_images(  # type: ignore[override]  # to a server, not to a folder
        cls,
        input_path: str | os.PathLike[str],
        voxel_size: Any = None,
        name: str | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
        folder: RemoteFolder | str | None = None,
        **options: Any,
    ) -> Self:
        """Make a dataset of images here, in a temporary folder, and upload it.

        name: by default that of the folder or file. url, token: the server and the user, where they aren't those of
        the current context. options: those of `Dataset.from_images`.
        """
        here = current()
        chosen = name or Path(input_path).stem
        with (
            tempfile.TemporaryDirectory(prefix="wkplug-upload-") as scratch,
            webknossos_context(url or here.url, token or here.token),
        ):
            made = Dataset.from_images(input_path, Path(scratch, "dataset"), voxel_size, chosen, **options)
            return cls.upload_of(made, folder=folder)

    @classmethod
    def trigger_dataset_import(cls, directory_name: str, organization: str, token: str | None = None) -> None:
        """Let a server take in the dataset that was put into a folder of that name: `trigger_reload_in_datastore`."""
        cls.trigger_reload_in_datastore(
            dataset_name_or_url=directory_name, organization_id=organization, token=token
        )

    # --- data elsewhere ------------------------------------------------------------------------------------

    @classmethod
    def explore_and_add_remote(
        cls,
        dataset_uri: str | os.PathLike[str],
        dataset_name: str,
        *,
        folder: str | RemoteFolder | None = None,
        folder_path: str | None = None,
        credentials: StorageCredentials | None = None,
    ) -> Self:
        """Let the server look at data elsewhere, and make a dataset of them, which reads them where they lie.

        dataset_uri: a Zarr, N5 or precomputed container, as the server reaches it. folder: a folder, its path or id.
        """
        client = client_for()
        body: dict[str, Any] = {"remoteUri": str(dataset_uri), "datasetName": dataset_name}
        if isinstance(folder, str) and not is_id(folder):
            folder_path, folder = folder, None  # the server makes folders that aren't there
        if folder is not None:
            body["folderId"] = folder_id_of(folder)
        if folder_path is not None:
            body["folderPath"] = folder_path
        if credentials is not None:
            body["credentialIdentifier"] = credentials.credential_identifier
            body["credentialSecret"] = credentials.credential_secret
        made = client.api("POST", "/datasets/exploreAndAddRemote", body=body)
        return cls.open(dataset_id=str(made))

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
        """Let the server read a dataset's files anew, after they were changed on its disk."""
        source = find(
            dataset_name_or_url,
            dataset_id=dataset_id,
            organization_id=organization_id or organization,
            webknossos_url=webknossos_url,
            token=token,
        )
        server = cast("ServerStore", source.store)
        owner = str(server.record["owningOrganization"])
        path = f"/triggers/reload/{segment(owner)}/{server.dataset_id}"
        server.client.ask("POST", server.client.data(datastore_url or server.store_url, path))

    # --- being an object -----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"RemoteDataset({self.url!r})"


def _layer_at(place: Layer | str | os.PathLike[str]) -> Layer:
    """A layer, or the one at `<dataset>/<layer>`."""
    if isinstance(place, Layer):
        return place
    location = locate(place)
    return Dataset.open(location.parent.url).get_layer(location.name)


def _annotation_address(text: str) -> str:
    return text if "/annotations/" in text else f"https://host/annotations/{text}"


def _mags(mags: Sequence[MagLike] | MagLike | None) -> list[Mag] | None:
    """Read a choice of mags, one or several."""
    if mags is None:
        return None
    if isinstance(mags, (str, int, Mag)):
        return [Mag(mags)]
    return [Mag(mag) for mag in mags]
