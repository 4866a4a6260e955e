"""Images in: files are found and grouped to layers, described as volumes, planned, and written slab by slab.

`files` finds files and names layers, `readers` opens them, `axes` says what a file's axes mean for a layer,
`volume` makes one array of many files, `categories` guesses what it shows, `planning` decides all that can be
decided before anything is written, `writing` does the work. `wkplug.ops.images` ties them together.
"""
