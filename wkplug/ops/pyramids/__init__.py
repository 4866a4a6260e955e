"""Coarser and finer mags: which there are, and how they are computed.

`sampling` says which mags a pyramid has. `downsampling` and `upsampling` make them. `passes` plans the work and runs
it: regions of the finest mag are read once. `shards` computes all coarser mags of a tile, and gathers them until a
shard is whole.
"""
