"""Web servers for wkplug: datasets behind HTTP."""
