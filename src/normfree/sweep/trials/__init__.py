"""A search over configurations: Optuna proposes trials, which are ordinary runs of an experiment.

``experiment.trials`` of an experiment file says what is searched: see `normfree.sweep.trials.block`.
"""
