"""The conservation check: does what six databases say add up?

`prove()` runs every law; `laws.LAWS` lists them. README.md beside says how it reads.
"""
