"""Use cases: what people and workers can ask for.

They own transactions and know no SQL and no HTTP.
"""
