"""DM3 and DM4, the files of Gatan DigitalMicrograph, for wkplug."""
