"""Every installed pims reader for wkplug, and frame sequences that scripts have opened themselves."""
