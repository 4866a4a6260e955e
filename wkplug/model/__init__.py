"""The model: what datasets, layers, mags and views are, and the changes to one of them.

States are small and picklable: they hold a place, the metadata store, axes and a box. Verbs are functions over states.
The classes that users know are the facade above (`wkplug.dataset`); what spans several objects or takes long is in
`wkplug.ops`. No format and no service is named here.
"""
