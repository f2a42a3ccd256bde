"""Several processes that share the images of a split; each image is read by one of them."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Mapping, MutableSequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait

import torch

from normfree.config import UserError
from normfree.data.source import ALONE, Share
from normfree.evaluate.collect import Collected, changes_of, collect, merged
from normfree.evaluate.images import Images
from normfree.evaluate.keys import EvaluateKeys
from normfree.evaluate.subjects import images_of, subjects
from normfree.host.devices import cores
from normfree.trained import Trained

_LOOK_SECONDS = 0.2


def device_of(keys: EvaluateKeys, number: int = 0) -> torch.device:
    """Where process ``number`` computes.

    Raises:
        UserError: there is no such device, or there are fewer.
    """
    there = torch.cuda.device_count()
    if keys.device == "cpu" or (keys.device == "auto" and not there):
        if keys.devices > cores():
            raise UserError(f"devices={keys.devices}: there are {cores()} cores here; use devices={cores()} or fewer")
        return torch.device("cpu")
    if not there:
        raise UserError("device=cuda: there is no GPU here; use device=cpu")
    if keys.devices > there:
        raise UserError(f"devices={keys.devices}: there are {there} GPUs here; use devices={there} or fewer")
    return torch.device("cuda", number)


def collected(
    keys: EvaluateKeys, run: str, networks: Mapping[str, Trained], tick: Callable[[int], object]
) -> Collected:
    """Every image of the split once, on as many devices as the keys say.

    Args:
        networks: as `normfree.evaluate.subjects.subjects` gives them for these keys and this run.

    Raises:
        UserError: an image cannot be read.
    """
    if keys.devices == 1:
        return _share(keys, networks, ALONE, tick)
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(keys.devices, mp_context=context) as pool:
        done = manager.list([0] * keys.devices)
        shares = [Share(rank, keys.devices) for rank in range(keys.devices)]
        waiting = {pool.submit(_as_rank, keys, run, share, done) for share in shares}
        every, seen = list(waiting), 0
        while waiting:
            _, waiting = wait(waiting, _LOOK_SECONDS, FIRST_COMPLETED)
            tick(sum(done) - seen)
            seen = sum(done)
        return merged([each.result() for each in every], keys.mistakes)


def _as_rank(keys: EvaluateKeys, run: str, share: Share, done: MutableSequence[int]) -> Collected:
    torch.set_num_threads(max(1, cores() // share.world_size))

    def tick(images: int) -> None:
        done[share.rank] += images

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said by the process that asks
        networks = subjects(keys, run)
    return _share(keys, networks, share, tick)


def _share(
    keys: EvaluateKeys, networks: Mapping[str, Trained], share: Share, tick: Callable[[int], object]
) -> Collected:
    device = device_of(keys, share.rank)
    here = dict(networks)
    asked = images_of(keys, next(iter(here.values())))
    images = Images(asked, keys.split, share)
    return collect(here, images, changes_of(keys, asked.preprocessing.size), device, keys.batch, keys.mistakes, tick)
