"""Text to vector: the model that comes with the program, or a server's.

Rule of the package: a text's vector is a function of the text alone. It does not depend on what
else is embedded at the same time, and a text that does not fit the model has none.
"""
