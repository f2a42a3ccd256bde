"""Accuracy and loss over a split, every image counted exactly once."""

import torch
import torch.nn.functional as F
from torch import nn

from normfree.data import Source
from normfree.runs.heartbeat import beat
from normfree.train.world import ALONE, World

EVALUATION_BATCH = 250


@torch.no_grad()
def evaluate(
    network: nn.Module,
    source: Source,
    split: str,
    device: torch.device,
    channels_last: bool = False,
    prefix: str = "",
    world: World = ALONE,
) -> dict[str, float]:
    """Top-1 accuracy in [0, 1] and mean cross entropy in nats, in the precision of the weights and in eval mode.

    Args:
        prefix: before the names of the numbers: ``ema_`` gives ``test/ema_accuracy``.
        world: each rank evaluates its share; all get the numbers of the whole split.
    """
    training = network.training
    network.eval()
    kind = next(network.parameters()).dtype
    layout = torch.channels_last if channels_last else torch.contiguous_format
    correct, loss, count = 0.0, 0.0, 0.0
    for batch in source.evaluation_batches(split, EVALUATION_BATCH):
        images = batch.images.to(device, kind, memory_format=layout)
        labels = batch.labels.to(device)
        logits = network(images)
        correct += int((logits.argmax(1) == labels).sum())
        loss += float(F.cross_entropy(logits, labels, reduction="sum"))
        count += len(labels)
        beat()
    network.train(training)
    if count != source.share_size(split):
        raise RuntimeError(f"evaluated {count} images of split {split}, not {source.share_size(split)}")
    skipped = sum(source.skipped().values())
    correct, loss, count, unreadable = world.total([correct, loss, count, skipped])
    if not unreadable and count != source.size(split):
        raise RuntimeError(f"evaluated {count} images of split {split}, which has {source.size(split)}")
    return {f"{split}/{prefix}accuracy": correct / count, f"{split}/{prefix}loss": loss / count}
