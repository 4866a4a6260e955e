"""Voxels, mags, layers and datasets that exist become others: copied, linked, referenced, or stored in another way.

`mag_copying`, `layer_copying` and `dataset_copying` are one implementation with a mode; `existing` and `written` make
layers of arrays and of data in memory; `rechunking` changes how a mag is stored. `rewriting` moves the voxels,
`entries` and `attaching` take over what is not voxels.
"""
