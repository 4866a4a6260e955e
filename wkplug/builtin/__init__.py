"""The core's own plugin: what works without any other distribution.

The hooks (`wkplug.builtin.plugin`), memory arrays, raw files and local executors. `wkplug.filesystems` and
`wkplug.interpolation` come through the same hooks as everybody else's and have no other way in: the registry
reaches each by the name that its spec gives.
"""
