"""Images in: files are collected, grouped to layers, described as volumes and written slab by slab."""
