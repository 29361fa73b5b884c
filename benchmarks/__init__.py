"""How fast the platform is, beside a floor that is measured in the same run.

`make bench` starts it; docs/benchmarks.md says how it is measured and what came of it.
"""
