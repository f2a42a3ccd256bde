"""How good a trained network is: counted on a whole split, with its uncertainty, under corruptions and shifts.

Torch is imported by what computes; `normfree.evaluate.keys`, which a help text needs, does without.
"""
