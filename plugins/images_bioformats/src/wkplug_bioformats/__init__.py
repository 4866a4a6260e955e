"""Bio-Formats for wkplug: Java, with the jar that the user installs."""
