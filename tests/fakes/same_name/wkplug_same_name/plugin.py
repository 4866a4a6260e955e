"""Has the plugin name of `good`; must never be imported beside it."""

raise AssertionError("imported")
