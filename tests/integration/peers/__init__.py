"""Scripts that the interpreters of other environments run; no test is in here."""
