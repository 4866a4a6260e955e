"""WKW arrays for wkplug: an own codec, and the Rust package `wkw` for those who want it."""
