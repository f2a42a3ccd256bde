"""EvoNorm-B0, whose statistics see the batch: the control that a measurement of leaks has to find."""

from functools import partial

from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.evonorm import EvoNormB0

register(
    Normalizer(
        name="evonorm_b0",
        title="EvoNorm-B0",
        sees="batch",
        source="Liu et al. 2020, arXiv 2004.02967",
        formula="y = gain * x / max(std of the batch, v * x + std of the image) + bias; each a channel, var + 1e-3",
        layer=EvoNormB0,
        activation="replaced",
        linear=partial(EvoNormB0, linear=True),
        advice="A control: it depends on the batch as BatchNorm does. It has no ghost batches and is not synchronised. "
        "Brings its own nonlinearity, so model.activation is refused beside it.",
    )
)
