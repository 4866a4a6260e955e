"""Places: local files, archives, and whatever fsspec opens, as `Location`s of `wkplug.abc`.

Also what all of them share: sorting failures, locks, and the parts of paths. Each is registered like a plugin's own
filesystem, by name.
"""
