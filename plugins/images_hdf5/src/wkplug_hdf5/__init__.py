"""HDF5 for wkplug: the datasets of any file, Imaris volumes, BigDataViewer volumes."""
