"""TIFF and its relatives for wkplug: BigTIFF, OME-TIFF, ImageJ stacks."""
