"""Dynamic erf: a bounded function of each value, without statistics."""

from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.pointwise import DynamicErf

register(
    Normalizer(
        name="derf",
        title="Derf",
        sees="none",
        source="Chen et al. 2025, arXiv 2512.10938",
        formula="y = gain * erf(alpha * x + shift) + bias; alpha and shift scalars of the layer, first 0.5 and 0",
        layer=DynamicErf,
        options={"alpha_init": None, "preserve_variance": None},
        advice="Made for the LayerNorm of transformers; of a unit normal it lets a standard deviation of about 0.4 "
        "through, which model.preserve_variance=true makes 1 at first. The network's activation follows it.",
    )
)
