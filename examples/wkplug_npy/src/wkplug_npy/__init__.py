"""Arrays as .npy files, one per shard: the tutorial's plugin for wkplug."""
