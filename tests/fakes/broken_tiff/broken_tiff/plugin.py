"""The TIFF plugin, with its library broken."""

raise ImportError("libtiff.so.6: cannot open shared object file")
