"""The core's own plugin: what works without any other distribution.

Memory arrays, local files, whatever fsspec opens, the basic interpolations and local executors. They come
through the same hooks as everybody else's (`wkplug.builtin.plugin`) and have no other way in: the registry
reaches each by the name that its spec gives.
"""
