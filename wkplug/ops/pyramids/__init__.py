"""Coarser and finer mags: which there are, and how they are computed.

`sampling` says which mags a pyramid has. `downsampling` and `upsampling` make them; both leave the work to `sweeping`,
which runs what `passes` has planned: regions of the finest mag, read once. `blocks` computes all coarser mags of a
tile, `cells` gathers them until a shard is whole and writes it, `stored` knows what needn't be looked at.
"""
