"""GroupNorm: mean and variance of a group of channels of one image."""

from __future__ import annotations

from torch import nn

from normfree.nets.normalizers import Normalizer, register

MOST_GROUPS = 32
_LEAST_CHANNELS = 4


def group_count(channels: int, groups: int | None = None, channels_per_group: int | None = None) -> int:
    """Into how many groups `channels` are divided.

    With neither given, into 32, the paper's number, or as many fewer as leave a whole number of channels, at least 4,
    in each.

    Raises:
        ValueError: both are given, or what is given does not divide the channels.
    """
    if groups is not None and channels_per_group is not None:
        raise ValueError(f"groups={groups} and channels_per_group={channels_per_group}: give one; the other follows")
    for key, value in (("groups", groups), ("channels_per_group", channels_per_group)):
        if value is not None and (value < 1 or channels % value):
            divisors = _divisors(channels)
            near = {*[each for each in divisors if each < value][-1:], *[each for each in divisors if each > value][:1]}
            choices = " or ".join(map(str, sorted(near)))
            raise ValueError(f"{key}={value}: does not divide {channels} channels of the network; use {choices}")
    if groups is not None:
        return groups
    if channels_per_group is not None:
        return channels // channels_per_group
    most = min(MOST_GROUPS, max(1, channels // _LEAST_CHANNELS))
    return max(divisor for divisor in _divisors(channels) if divisor <= most)


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


def group_norm(channels: int, groups: int | None = None, channels_per_group: int | None = None) -> nn.GroupNorm:
    """torch's GroupNorm of C channels: gain 1, bias 0, eps 1e-5."""
    return nn.GroupNorm(group_count(channels, groups, channels_per_group), channels)


register(
    Normalizer(
        name="groupnorm",
        title="GroupNorm",
        sees="sample",
        source="Wu & He 2018, arXiv 1803.08494",
        formula="y = gain * (x - mean) / sqrt(var + 1e-5) + bias; mean and var of a group of channels of one image",
        layer=group_norm,
        options={"groups": None, "channels_per_group": None},
        advice="What BatchNorm is usually replaced by where images per device are few. Left alone: 32 groups, fewer in "
        "narrow layers so that each has 4 channels.",
    )
)
