"""What the NFNet paper prints of networks that are here.

Source: Brock et al. 2021 (arXiv 2102.06171), tables 2 to 4 and 6.

No number was measured with this package. ``how`` says what a row of the paper has that the network's
name does not; a number that the paper does not print is None.
"""

from __future__ import annotations

from dataclasses import dataclass

TABLE_3 = "table 3"
TABLES_2_6 = "tables 2, 6"
TABLE_4 = "table 4"


@dataclass(frozen=True)
class Published:
    """One row of a table: ImageNet validation accuracy of a single crop at the test size, and the latency of training.

    Attributes:
        source: the paper's table.
        top1, top5: percent; mean over three seeds where the row is an NFNet without SAM.
        tpu_ms: milliseconds of a training step on TPUv3, 32 images on each of 32 devices.
        gpu_ms: milliseconds of a training step on a V100 in float16, 32 images.
        how: what else the row has, for example ``with SAM``.
    """

    source: str
    top1: float
    top5: float | None = None
    tpu_ms: float | None = None
    gpu_ms: float | None = None
    how: str = ""


_RESNET50 = Published(TABLE_3, 78.6, 94.3, 41.6, 35.3)

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "nfnet_f0": (Published(TABLE_3, 83.6, 96.8, 73.3, 56.7),),
    "nfnet_f1": (Published(TABLE_3, 84.7, 97.1, 158.5, 133.9),),
    "nfnet_f2": (Published(TABLE_3, 85.1, 97.3, 295.8, 226.3),),
    "nfnet_f3": (Published(TABLE_3, 85.7, 97.5, 532.2, 524.5),),
    "nfnet_f4": (Published(TABLE_3, 85.9, 97.6, 1033.3, 1190.6),),
    "nfnet_f5": (
        Published(TABLE_3, 86.0, 97.6, 1398.5, 2177.1),
        Published(TABLE_3, 86.3, 97.9, 1958.0, how="with SAM"),
    ),
    "nfnet_f6": (Published(TABLE_3, 86.5, 97.9, 2774.1, how="with SAM"),),
    "bn_nfnet_f0": (Published(TABLES_2_6, 83.4, tpu_ms=111.7),),
    "bn_nfnet_f1": (Published(TABLES_2_6, 84.4, tpu_ms=258.0),),
    "bn_nfnet_f2": (Published(TABLES_2_6, 85.1, tpu_ms=396.3),),
    "bn_nfnet_f3": (Published(TABLES_2_6, 85.5, tpu_ms=617.7),),
    "resnet50": (_RESNET50,),
    "resnet50_v1": (_RESNET50,),
    "se_resnet50": (Published(TABLE_3, 79.4, 94.6, 64.3, 59.4),),
    "efficientnet_b0": (Published(TABLE_3, 77.1, 93.3, 51.1, 44.8),),
    "efficientnet_b3": (Published(TABLE_3, 81.6, 95.7, 129.5, 116.6),),
    "efficientnet_b4": (Published(TABLE_3, 82.9, 96.4, 245.9, 221.6),),
    "efficientnet_b5": (Published(TABLE_3, 83.7, 96.7, 450.5, 458.9),),
    "efficientnet_b6": (Published(TABLE_3, 84.0, 96.8, 775.7, 868.2),),
    "efficientnet_b7": (Published(TABLE_3, 84.7, 97.0, 1397.0, 1753.3),),
}
"""By the name that `create_model` takes. A network that is not in here has no number of its own in the paper."""

FINETUNED_SIZES = (224, 320, 384)
"""Sides of the images of `FINETUNED`, in pixels."""

FINETUNED: dict[str, tuple[float, float, float]] = {
    "resnet50": (78.1, 79.6, 79.9),
    "nf_resnet50": (79.5, 80.9, 81.1),
    "resnet101": (80.8, 82.2, 82.5),
    "nf_resnet101": (81.4, 82.7, 83.2),
    "resnet152": (81.8, 83.1, 83.4),
    "nf_resnet152": (82.7, 83.6, 84.0),
    "resnet200": (81.8, 83.1, 83.5),
    "nf_resnet200": (82.9, 84.1, 84.3),
}
"""Table 4: top-1 on ImageNet, in percent, after pre-training on JFT-300M and fine-tuning at each of the sizes."""
