"""Ranks of a test, that meet as those of a run do and never wait for ever."""

import faulthandler
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

SECONDS = 90.0
"""How long they may take; then each writes where it stands, and ends."""


def together(ranks: int, act: Callable[..., None], folder: Path, *given: Any) -> None:
    """Call ``act(rank, folder, *given)`` in as many processes as ranks, which are a group of gloo.

    Raises:
        AssertionError: One did not end well; it says what each had to say.
    """
    meeting = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    context = multiprocessing.get_context("spawn")
    every = [
        context.Process(target=_be, args=(rank, ranks, meeting.port, act, folder, given), daemon=True)
        for rank in range(ranks)
    ]
    # Whatever the machine calls itself, and whatever that leads to.
    with mock.patch.dict(os.environ, {"GLOO_SOCKET_IFNAME": "lo"}):
        for each in every:
            each.start()
    latest = time.monotonic() + SECONDS + 10
    for each in every:
        each.join(max(latest - time.monotonic(), 0))
        each.kill()
        each.join()
    said = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("said-*")))
    assert all(each.exitcode == 0 for each in every), f"{[each.exitcode for each in every]}\n{said}"


def _be(rank: int, ranks: int, port: int, act: Callable[..., None], folder: Path, given: tuple[Any, ...]) -> None:
    with open(folder / f"said-{rank}", "w", encoding="utf-8") as said:
        os.dup2(said.fileno(), 2)
        faulthandler.dump_traceback_later(SECONDS, exit=True, file=said)
        torch.set_num_threads(1)
        store = TCPStore("127.0.0.1", port, is_master=False)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
        act(rank, folder, *given)
        dist.destroy_process_group()
        faulthandler.cancel_dump_traceback_later()
