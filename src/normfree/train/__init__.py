"""One run, from its configuration to its result: :func:`normfree.train.run.run_one`."""

from normfree.host.openmp import wait_briefly

# Whatever trains imports this package before torch.
wait_briefly()
