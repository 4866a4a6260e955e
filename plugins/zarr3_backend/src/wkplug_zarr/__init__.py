"""Zarr v2 and v3 arrays for wkplug through zarr-python, and OME-NGFF metadata.

Nothing is imported here; `wkplug_zarr.plugin` names what there is.
"""

__all__: list[str] = []
