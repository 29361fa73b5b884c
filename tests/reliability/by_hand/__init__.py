"""The whole platform in one thread, as in the simulation, but nothing is left to chance: the test
says which message is held back, who does not listen, and what happens meanwhile.

Whatever can be told apart by such points is tried at every one of them, of many sagas at once: each
saga has its own point, and all of them take the same way past it.
"""
