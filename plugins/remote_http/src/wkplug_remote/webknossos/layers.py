"""The parts of a `RemoteDataset`: layers, mags and attachments, whose metadata a server keeps.

Voxels are read as of any other dataset. New mags are made here, in a temporary folder, and sent; references are made by
the server between its own datasets.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, cast

from wkplug.abc import locate
from wkplug.dataset import Dataset, Layer, MagView, SegmentationLayer
from wkplug.dataset.attachments import Attachments
from wkplug.dataset.transfer import TransferMode
from wkplug.errors import (
    AttachmentError,
    InvalidArgumentError,
    MagExistsError,
    UnsafePathError,
    UnsupportedOperationError,
)
from wkplug.geometry import Mag
from wkplug.properties.operations import ExtendBox, RemoveMag, RenameLayer, SetBox, SetLayerKey
from wkplug_remote.webknossos import uploads
from wkplug_remote.webknossos.access_modes import RemoteAccessMode, to_server
from wkplug_remote.webknossos.client import segment
from wkplug_remote.webknossos.context import TOKEN_HEADER
from wkplug_remote.webknossos.metadata import server_of

if TYPE_CHECKING:
    import os
    import pathlib
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from wkplug.dataset.attachments import Attachment
    from wkplug.geometry import MagLike, NDBoundingBox, Vec3IntLike

__all__ = ["RemoteAttachments", "RemoteLayer", "RemoteMagView", "RemoteSegmentationLayer", "plain_name"]


class RemoteMagView(MagView):
    """One mag of a layer on a server; for reading."""

    @property
    def access_mode(self) -> RemoteAccessMode:
        """How its voxels are reached."""
        return server_of(self.layer.dataset).mode

    def with_access_mode(self, access_mode: RemoteAccessMode | str) -> RemoteMagView:
        """The same mag, reached in another way; asks nothing."""
        dataset = cast("Any", self.layer.dataset).with_access_mode(access_mode)
        return cast("RemoteMagView", dataset.get_layer(self.layer.name).get_mag(self.mag))

    @property
    def paths_by_access_mode(self) -> dict[RemoteAccessMode, pathlib.Path]:
        """Where its files are, in each way."""
        return {mode: self.with_access_mode(mode).path for mode in RemoteAccessMode}

    paths = paths_by_access_mode

    def __repr__(self) -> str:
        return (
            f"RemoteMagView(name={self.name!r}, access_mode={self.access_mode.value}, "
            f"bounding_box={self.bounding_box!r})"
        )


class RemoteLayer(Layer):
    """A layer of a dataset on a server."""

    mag_class: ClassVar[type[MagView]] = RemoteMagView

    @property
    def name(self) -> str:
        """The name; saved at the server when set."""
        return self.state.name

    @name.setter
    def name(self, name: str) -> None:
        old = self.state.name
        self.state.check_metadata_writable("be renamed")
        server_of(self.dataset).apply(RenameLayer(old, name))
        self.state.dataset.follow_renaming(old, name)

    @property
    def bounding_box(self) -> NDBoundingBox:
        """Where the layer has voxels, in Mag(1); saved at the server when set."""
        return self.state.bounding_box

    @bounding_box.setter
    def bounding_box(self, box: NDBoundingBox) -> None:
        self.state.check_metadata_writable("change its bounding box")
        server_of(self.dataset).apply(SetBox(self.state.name, box))

    @property
    def view_configuration(self) -> Any:
        """How viewers show the layer at first; `default_view_configuration` by its name in the web."""
        return self.default_view_configuration

    @view_configuration.setter
    def view_configuration(self, value: Any) -> None:
        self.default_view_configuration = value

    def get_mag(self, mag: MagLike, *, access_mode: RemoteAccessMode | str | None = None) -> RemoteMagView:
        """Give a mag, MagNotFoundError (an IndexError) if there is none; access_mode: how its voxels are reached."""
        view = cast("RemoteMagView", super().get_mag(mag))
        return view if access_mode is None else view.with_access_mode(access_mode)

    def get_finest_mag(self, *, access_mode: RemoteAccessMode | str | None = None) -> RemoteMagView:
        """Give the finest mag; MagNotFoundError (an IndexError) if there is none."""
        view = cast("RemoteMagView", super().get_finest_mag())
        return view if access_mode is None else view.with_access_mode(access_mode)

    def delete_mag(self, mag: MagLike) -> None:
        """Take a mag off the layer, which deletes it at the server."""
        self.state.check_metadata_writable("lose a mag")
        found = self.state.mag(mag).mag
        server_of(self.dataset).apply(RemoveMag(self.state.name, found))

    def add_mag(self, mag: MagLike, *_: Any, **__: Any) -> NoReturn:
        """Refuse: voxels behind a server can't be written in place."""
        del mag
        raise UnsupportedOperationError(
            f"The layer {self.name!r} is on a server, where no mag can be written in place.",
            hint="Write it to a dataset here, and send it: layer.add_mag_as_copy(view), or layer.downsample().",
        )

    get_or_add_mag = add_mag_from_array = add_mag

    # --- new mags ------------------------------------------------------------------------------------------

    def add_mag_as_copy(  # type: ignore[override]  # it is sent, not stored anew here
        self,
        foreign_mag_view_or_path: MagView | str | os.PathLike[str],
        *,
        mag: MagLike | None = None,
        extend_layer_bounding_box: bool = True,
        transfer_mode: TransferMode | str = "http",
        common_storage_path_prefix: str | None = None,
        overwrite_pending: bool = True,
    ) -> RemoteMagView:
        """Send a mag of another dataset, or the one at `<dataset>/<layer>/<mag>`; in the layer's own format.

        mag: what it is here, by default what it is there. extend_layer_bounding_box: so that it holds the whole mag.
        transfer_mode: by HTTP, or by copies or links where the server sees the same disk.
        MagExistsError (an IndexError).
        """
        view = _view_at(foreign_mag_view_or_path)
        way = uploads.Way(transfer_mode, common_storage_path_prefix, overwrite_pending)
        target = view.mag if mag is None else Mag(mag)
        self._send(view, target, way)
        if extend_layer_bounding_box:
            server_of(self.dataset).apply(ExtendBox(self.name, view.layer.bounding_box))
        return self.get_mag(target)

    def _send(self, view: MagView, mag: Mag, way: uploads.Way) -> None:
        self.state.check_metadata_writable("get a mag")
        if mag in self.mags:
            raise MagExistsError(
                f"The layer {self.name!r} already has the mag {mag}.",
                hint="Choose another mag.",
            )
        server = server_of(self.dataset)
        with uploads.with_files(view, str(server.plain_layer(self.name)["dataFormat"])) as stored:
            uploads.send_mag(server, self.name, stored, mag, way)

    def add_mag_as_ref(  # type: ignore[override]  # between datasets of the server
        self,
        foreign_mag_view_or_path: MagView,
        *,
        mag: MagLike | None = None,
        extend_layer_bounding_box: bool = True,
    ) -> RemoteMagView:
        """List a mag of another dataset on the same server; its files stay where they are."""
        self.state.check_metadata_writable("get a mag")
        view = foreign_mag_view_or_path
        if not isinstance(view, RemoteMagView):
            raise _not_there(view, "add_mag_as_copy")
        target = view.mag if mag is None else Mag(mag)
        compose(
            self,
            "addMag",
            sourceDatasetId=server_of(view.layer.dataset).dataset_id,
            sourceLayerName=view.layer.name,
            targetLayerName=self.name,
            sourceMag=list(view.mag.to_tuple()),
            targetMag=list(target.to_tuple()),
        )
        if extend_layer_bounding_box:
            server_of(self.dataset).apply(ExtendBox(self.name, view.layer.bounding_box))
        return self.get_mag(target)

    def downsample(self, **options: Any) -> None:
        """Compute coarser mags here, and send those that the layer doesn't have; see `Layer.downsample`.

        Beside its parameters: transfer_mode, common_storage_path_prefix and overwrite_pending of `add_mag_as_copy`.
        """
        way = _way_of(options)
        given = options.pop("from_mag", None)
        source = max(self.mags.values(), key=lambda view: view.mag) if given is None else self.get_mag(given)
        with self._scratch() as scratch:
            scratch.downsample(from_mag=source.mag, from_mag_view=source, **options)
            self._send_new(scratch, way)

    def upsample(self, from_mag: MagLike, **options: Any) -> None:
        """Compute finer mags here, and send those that the layer doesn't have; see `Layer.upsample`."""
        way = _way_of(options)
        source = self.get_mag(from_mag)
        with self._scratch() as scratch:
            scratch.upsample(source.mag, from_mag_view=source, **options)
            self._send_new(scratch, way)

    def _scratch(self) -> AbstractContextManager[Layer]:
        self.state.check_metadata_writable("get a mag")
        return uploads.scratch_layer(self, str(server_of(self.dataset).plain_layer(self.name)["dataFormat"]))

    def _send_new(self, scratch: Layer, way: uploads.Way) -> None:
        for mag, view in scratch.mags.items():
            if mag not in self.mags:
                self._send(view, mag, way)

    def as_segmentation_layer(self) -> RemoteSegmentationLayer:
        """The layer as what it is; CategoryError (a TypeError) if it holds no segments."""
        return cast("RemoteSegmentationLayer", super().as_segmentation_layer())


class RemoteSegmentationLayer(RemoteLayer, SegmentationLayer):
    """A layer of segments on a server."""

    def as_segmentation_layer(self) -> RemoteSegmentationLayer:
        """Itself."""
        return self

    @property
    def attachments(self) -> RemoteAttachments:
        """Its meshes, agglomerates and the like."""
        return RemoteAttachments(self)

    def download_mesh(
        self,
        segment_id: int,
        output_dir: str | os.PathLike[str],
        mesh_file_name: str | None = None,
        datastore_url: str | None = None,
        lod: int = 0,
        mapping_name: str | None = None,
        mapping_type: Literal["JSON", "AGGLOMERATE"] | None = None,
        mag: MagLike | None = None,
        seed_position: Vec3IntLike | None = None,
        token: str | None = None,
        sharing_token: str | None = None,
    ) -> pathlib.Path:
        """Save the mesh of a segment as STL in a folder; gives the file's path.

        mesh_file_name: of the mesh file that has it; without, the server computes it from the voxels of `mag` around
        `seed_position`. lod: the level of detail, 0 for the finest.
        """
        server = server_of(self.dataset)
        body: dict[str, Any] = {"lod": lod, "segmentId": segment_id, "mappingName": mapping_name}
        if mesh_file_name is not None:
            body["meshFileName"] = mesh_file_name
        elif mag is None or seed_position is None:
            raise InvalidArgumentError(
                "A mesh that is computed needs mag and seed_position.",
                hint="Give both, or the name of a mesh file that the layer has.",
            )
        else:
            position = [int(number) for number in seed_position]
            body |= {"mappingType": mapping_type, "mag": list(Mag(mag).to_tuple()), "seedPosition": position}
        path = f"/datasets/{server.dataset_id}/layers/{segment(self.name)}/meshes/fullMesh.stl"
        url = server.client.data(datastore_url or server.store_url, path)
        shared = sharing_token or token or server.sharing_token
        headers = None if shared is None else {TOKEN_HEADER: shared}
        reply = server.client.ask(
            "POST", url, body=to_server(body, server.client.version), headers=headers, repeat=True
        )
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        name = str(server.record.get("directoryName") or server.record["name"])
        file = folder / plain_name(f"{name}_{self.name}_{int(segment_id)}.stl", "output_dir")
        file.write_bytes(reply.body)
        return file


class RemoteAttachments(Attachments):
    """The attachments of a layer on a server."""

    @property
    def access_mode(self) -> RemoteAccessMode:
        """How their files are reached."""
        return server_of(self.layer.dataset).mode

    def with_access_mode(self, access_mode: RemoteAccessMode | str) -> RemoteAttachments:
        """The same attachments, reached in another way; asks nothing."""
        dataset = self.layer.dataset.with_access_mode(access_mode)
        return RemoteAttachments(dataset.get_layer(self.layer.name))

    def add_attachment_as_copy(  # type: ignore[override]  # it is sent
        self,
        attachment: Attachment,
        *,
        transfer_mode: TransferMode | str = "http",
        common_storage_prefix: str | None = None,
        overwrite_pending: bool = True,
    ) -> Attachment:
        """Send an attachment's files; AttachmentError (a ValueError) if one of that kind and name is there."""
        self.layer.state.check_metadata_writable("get attachments")
        if any(one.name == attachment.name for one in self._of(type(attachment))):
            raise AttachmentError(
                f"The layer {self.layer.name!r} already has the {attachment.type_name} {attachment.name!r}.",
                hint="Choose another name.",
            )
        way = uploads.Way(transfer_mode, common_storage_prefix, overwrite_pending)
        uploads.send_attachment(
            server_of(self.layer.dataset), self.layer.name, attachment.type_name, attachment, way
        )
        return self._found(type(attachment), attachment.name)

    def upload_attachment(
        self,
        attachment: Attachment,
        *,
        transfer_mode: TransferMode | str = "http",
        common_storage_prefix: str | None = None,
    ) -> Attachment:
        """The older name of `add_attachment_as_copy`."""
        return self.add_attachment_as_copy(
            attachment, transfer_mode=transfer_mode, common_storage_prefix=common_storage_prefix
        )

    def add_copy_attachments(self, *other: Attachment) -> list[Attachment]:  # type: ignore[override]  # gives them
        """Send several."""
        return [self.add_attachment_as_copy(one) for one in other]

    def add_attachment_as_ref(  # type: ignore[override]  # between datasets of the server
        self, attachment: Attachment, *, foreign_layer: RemoteSegmentationLayer, new_name: str | None = None
    ) -> Attachment:
        """List an attachment of a layer of another dataset on the same server."""
        self.layer.state.check_metadata_writable("get attachments")
        name = new_name or attachment.name
        compose(
            self.layer,
            "addAttachment",
            sourceDatasetId=server_of(foreign_layer.dataset).dataset_id,
            sourceLayerName=foreign_layer.name,
            targetLayerName=self.layer.name,
            attachmentType=attachment.type_name,
            sourceAttachmentName=attachment.name,
            targetAttachmentName=name,
        )
        return self._found(type(attachment), name)

    def rename_attachment(self, attachment: Attachment, *, new_name: str) -> Attachment:  # type: ignore[override]
        """Give an attachment another name."""
        server = server_of(self.layer.dataset)
        with server.update():
            self._change(attachment, lambda entry: {**entry, "name": new_name})
            renaming = {"layerName": self.layer.name, "attachmentType": attachment.type_name}
            server.announce(
                "attachmentRenamings", {**renaming, "oldName": attachment.name, "newName": new_name}
            )
        return self._found(type(attachment), new_name)

    def delete_attachment(self, attachment: Attachment) -> None:
        """Take an attachment off the layer, which deletes it at the server."""
        self._change(attachment, lambda entry: None)  # noqa: ARG005 - whatever it is

    def _change(
        self, attachment: Attachment, change: Callable[[dict[str, Any]], dict[str, Any] | None]
    ) -> None:
        self.layer.state.check_metadata_writable("have other attachments")
        server, key = server_of(self.layer.dataset), attachment.json_key
        with server.update():
            known = dict(server.plain_layer(self.layer.name).get("attachments") or {})
            entries = known.get(key) or []
            listed = entries if isinstance(entries, list) else [entries]
            if not any(entry["name"] == attachment.name for entry in listed):
                raise AttachmentError(
                    f"The layer {self.layer.name!r} has no {attachment.type_name} {attachment.name!r}.",
                    hint="Take it from layer.attachments.",
                )
            changed = [change(entry) if entry["name"] == attachment.name else entry for entry in listed]
            kept = [entry for entry in changed if entry is not None]
            known.pop(key)
            if kept:
                known[key] = kept if attachment.is_list else kept[0]
            server.apply(SetLayerKey(self.layer.name, "attachments", known or None))

    def _found(self, kind: type[Attachment], name: str) -> Attachment:
        return cast("Attachment", next(one for one in self._of(kind) if one.name == name))

    def __repr__(self) -> str:
        return f"RemoteAttachments({list(self)!r})"


def plain_name(name: str, parameter: str) -> str:
    """Check that a name that a server gives is one of a file here, and leads nowhere else; gives it.

    UnsafePathError names the parameter that gives a place instead.
    """
    if name in ("", ".", "..") or any(sign in name for sign in "/\\:\0"):
        raise UnsafePathError(
            f"The server calls it {name!r}, which is no name for a file or folder here.",
            hint=f"Give {parameter}.",
        )
    return name


def _way_of(options: dict[str, Any]) -> uploads.Way:
    """Take out of options how files get to the server."""
    return uploads.Way(
        options.pop("transfer_mode", TransferMode.HTTP),
        options.pop("common_storage_path_prefix", None),
        options.pop("overwrite_pending", True),
    )


def _view_at(place: MagView | str | os.PathLike[str]) -> MagView:
    """A mag, or the one at `<dataset>/<layer>/<mag>`."""
    if isinstance(place, MagView):
        return place
    location = locate(place)
    layer = location.parent
    return Dataset.open(layer.parent.url).get_layer(layer.name).get_mag(location.name)


def compose(layer: RemoteLayer, what: str, **body: Any) -> None:
    """Let the server refer from one of its datasets to another."""
    server = server_of(layer.dataset)
    server.client.api("POST", f"/datasets/{server.dataset_id}/compose/{what}", body=body)
    server.fetch()


def _not_there(what: object, instead: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{what!r} is not on the server, which can only refer to what it has.",
        hint=f"Send it with {instead}.",
    )
