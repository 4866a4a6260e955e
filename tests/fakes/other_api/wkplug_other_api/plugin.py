"""Made for another plugin API; must never be imported."""

raise AssertionError("imported")
