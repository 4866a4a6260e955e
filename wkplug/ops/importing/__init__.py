"""Images in: files are found and grouped to layers, described as volumes, planned, and written box by box.

`files` finds files, `readers` and `containers` open them, `grouping` says which layers they become, in which order
(`series`) and by which names (`naming`). `volume` makes one array of many files, `planning` decides all that can be
decided before anything is written, `writing` does the work. `report` has what whoever imports should know.
"""
