"""Dynamic Tanh: a bounded function of each value, without statistics."""

from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.pointwise import DynamicTanh

register(
    Normalizer(
        name="dyt",
        title="DyT",
        sees="none",
        source="Zhu et al. 2025, arXiv 2503.10622",
        formula="y = gain * tanh(alpha * x) + bias; alpha a scalar of the layer, first 0.5",
        layer=DynamicTanh,
        options={"alpha_init": None, "preserve_variance": None},
        advice="Made for the LayerNorm of transformers; of a unit normal it lets a standard deviation of about 0.4 "
        "through, which model.preserve_variance=true makes 1 at first. The network's activation follows it.",
    )
)
