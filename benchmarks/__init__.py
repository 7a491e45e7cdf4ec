"""The benchmark: what a transfer costs here, and how near that is to what PostgreSQL itself costs.

`python -m benchmarks --help` lists the commands; PERFORMANCE in docs/ shows what they came to.
"""
