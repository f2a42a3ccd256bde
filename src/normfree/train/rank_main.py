"""The process of one rank, as :mod:`normfree.train.ranks.parent` starts it."""

import faulthandler
import os
import pickle
import sys
import threading
import warnings
from multiprocessing.connection import Connection
from typing import TextIO

from normfree.config import UserError
from normfree.host.orphans import end_with
from normfree.runs.heartbeat import watched
from normfree.runs.result import Result
from normfree.train.lightning_noise import quieten
from normfree.train.ranks.watch import STACK_SIGNAL
from normfree.train.run import run_one, told
from normfree.train.stopping import StopRequest


def main(descriptor: int, beats: int, stacks: int, parent: int) -> int:
    """Train what comes through the pipe with this descriptor; everything there is to say goes back through it.

    Args:
        beats: descriptor of the memory in which this process gives its signs of progress.
        stacks: descriptor of the file in which it says where it stands, when it is asked to.
        parent: process id of the process that started this one, and that it ends with.
    """
    end_with(parent)
    faulthandler.register(STACK_SIGNAL, os.fdopen(stacks, "w"), all_threads=True)
    watched(beats, int(os.environ["NORMFREE_RANK"]))
    connection = Connection(descriptor)
    resolved, overrides = pickle.loads(connection.recv_bytes())
    stop = StopRequest()
    threading.Thread(target=_listen, args=(connection, stop), daemon=True).start()

    def relay(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        connection.send(("warning", (str(message), category)))

    if os.environ["NORMFREE_RANK"] == "0":
        warnings.showwarning = relay
    quieten()
    try:
        result: Result = run_one(resolved, overrides, lambda row: connection.send(("progress", dict(row))), stop)
    except UserError as error:
        connection.send(("refused", str(error)))
        return 0
    except Exception as error:
        number = os.environ["NORMFREE_RANK"]
        reason, text = told(error, resolved)
        connection.send(("failed", (f"rank {number}: {reason}", text)))
        return 0
    if os.environ["NORMFREE_RANK"] == "0":
        connection.send(("result", result))
    return 0


def _listen(connection: Connection, stop: StopRequest) -> None:
    """Take requests to stop; without a parent there is nobody to train for."""
    while True:
        try:
            number = connection.recv()
        except (EOFError, OSError):
            os._exit(1)
        stop.signal = stop.signal or int(number)


if __name__ == "__main__":
    code = main(*map(int, sys.argv[1:]))
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread or a collective that hangs must not keep the process.
    os._exit(code)
