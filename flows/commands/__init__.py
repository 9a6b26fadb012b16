"""The verbs of ``tarmac``, one file per noun; each calls the plain function that the flows call."""
