"""``predict.py``: a trained network at work, on files, videos and cameras."""

from __future__ import annotations

from collections.abc import Sequence

from normfree.config.keys import read_keys, rows
from normfree.host.openmp import wait_briefly
from normfree.host.spoken import spoken
from normfree.serve.keys import Prediction

COMMAND = "python predict.py"
HELP = """\
Ask a trained network what it sees: on files, in a video, or through a camera.

  python predict.py run=runs/single/RUN source=photo.jpg
  python predict.py run=runs/single/RUN source=photos out=labels.csv      a folder; .jsonl and .parquet too
  python predict.py run=runs/single/RUN source=clip.mp4 out=bars.mp4      with bars in it; .csv: a row a frame
  python predict.py run=runs/single/RUN source=webcam                     a window, where there is a display
  python predict.py run=RUN,OTHER_RUN source=browser                        a page for a browser's camera, side by side
  python predict.py weights=nfnet_f0.safetensors source=photo.jpg

Keys and their defaults:

{keys}

Images go through what the run's own test images went through. The page is on this machine alone, unless host= says
otherwise. Videos and the page need: pip install 'normfree[serve]'.
"""
INTERRUPTED = "interrupted; nothing was written"


def help_text(words: Sequence[str] = ()) -> str:
    """What ``--help`` prints."""
    return HELP.replace("{keys}", "\n".join(rows(Prediction)))


def main(words: Sequence[str]) -> int:
    """The exit code.

    Raises:
        UserError: for a wrong word, or what cannot be predicted or shown.
    """
    if not words:
        print(spoken(help_text()), end="")
        return 0
    keys = read_keys(Prediction, words, command=COMMAND)
    wait_briefly()
    from normfree.serve.command import predict

    predict(keys)
    return 0
