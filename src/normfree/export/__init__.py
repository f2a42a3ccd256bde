"""A trained network as a file for other programs, checked against the original before it has its name.

Torch is imported by what computes; `normfree.export.keys`, which a help text needs, does without.
"""
