"""The fast engine of wkplug for Zarr v2 and v3, N5 and precomputed arrays; `plugin` says what it offers."""
