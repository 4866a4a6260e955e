"""The fast engine of wkplug for Zarr v2 and v3, N5 and precomputed arrays; see `plugin` for what it offers."""
