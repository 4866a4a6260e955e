"""Every installed bioio reader for wkplug."""
