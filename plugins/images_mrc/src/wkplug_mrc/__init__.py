"""MRC and its relatives (REC, MAP, ST), the volumes of electron tomography, for wkplug."""
