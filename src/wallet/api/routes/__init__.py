"""One module a noun: its schemas on top, its routes below."""
