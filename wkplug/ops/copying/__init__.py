"""Voxels, mags, layers and datasets that exist become others: copied, linked, referenced, or stored in another way.

`mag_copying`, `layer_copying` and `dataset_copying` are one implementation with a mode; `existing` makes layers of
arrays that are there and of data in memory; `rechunking` changes how a mag is stored. `rewriting` moves the voxels.
"""
