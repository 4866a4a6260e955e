"""Datasets over HTTP, for other tools and for the viewer in the browser: `wkplug serve` and `wkplug view`."""
