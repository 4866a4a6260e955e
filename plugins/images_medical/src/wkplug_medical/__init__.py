"""NIfTI, DICOM and NRRD, the images of medicine, for wkplug."""
