"""KNOSSOS cubes for wkplug: an importer for the folders that KNOSSOS and its tools wrote."""
