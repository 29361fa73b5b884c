"""The crash kit: a definition is run once for every point at which a process of it can die.

`way` works out from a definition, and from the contexts' own wiring, what a saga makes happen;
`points` which process can die where; `kit` has it die there, starts it again and compares.
`scenarios` gives it the shipped definition. README.md beside says what is impossible, and why.
"""
