"""One run, from its configuration to its result: :func:`normfree.train.run.run_one`."""
