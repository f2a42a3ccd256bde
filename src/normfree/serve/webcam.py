"""A camera of this machine, in a window with bars."""

from __future__ import annotations

import importlib.util
import os
import time
from collections import deque
from typing import Any

import numpy as np
from PIL import Image

from normfree.config import UserError
from normfree.host.devices import has_display
from normfree.host.installing import install
from normfree.serve.keys import Prediction
from normfree.serve.labels import top_of
from normfree.serve.networks import Named, networks_of
from normfree.serve.overlay import with_bars
from normfree.serve.smoothing import Smoothing
from normfree.serve.sources import Webcam
from normfree.serve.speed import fastest

_ELSEWHERE = "source=browser shows a camera on a page and needs no window"
_END = (27, ord("q"))
_TITLE = "normfree (q ends it)"
_MEASURED = 30


def show(webcam: Webcam, keys: Prediction) -> None:
    """Until q, Escape, or the window is closed.

    Raises:
        UserError: a package, the camera or a display is missing.
    """
    cv2 = _opencv(keys.source)
    camera = cv2.VideoCapture(webcam.number)
    try:
        if not camera.isOpened() or not camera.read()[0]:
            raise UserError(
                f"source={keys.source}: camera {webcam.number} cannot be opened; give webcam:1, or {_ELSEWHERE}"
            )
        networks = []
        for name, network in networks_of(keys):
            faster, way = fastest(network, keys.precision)
            networks.append((name, faster))
            print(f"{name}, {network.preprocessing.size} px: {way}", flush=True)
        _watch(cv2, camera, networks, keys)
    finally:
        camera.release()


def _opencv(source: str) -> Any:
    if importlib.util.find_spec("cv2") is None:
        raise UserError(f"source={source}: a window needs OpenCV; {install('opencv-python')}, or {_ELSEWHERE}")
    if not has_display():
        raise UserError(f"source={source}: there is no display here; {_ELSEWHERE}")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # of a camera that is missing we have a line of our own
    import cv2

    try:
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise UserError(
            f"source={source}: this OpenCV opens no windows (opencv-python-headless does not); "
            f"{install('opencv-python')}, or {_ELSEWHERE}"
        ) from error
    return cv2


def _watch(cv2: Any, camera: Any, networks: Named, keys: Prediction) -> None:
    smoothing = [Smoothing(keys.smooth) for _ in networks]
    shown: deque[float] = deque(maxlen=_MEASURED)
    while True:
        good, pixels = camera.read()
        if not good:
            raise UserError(f"source={keys.source}: the camera is gone; connect it and start again")
        picture = Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))
        now = time.monotonic()
        tops = []
        for (name, network), each in zip(networks, smoothing, strict=True):
            probabilities = network.probabilities(network.preprocessing.tested(picture)[None])[0].cpu()
            tops.append((name, top_of(each.add(probabilities, now), network.classes, keys.top)))
        shown.append(now)
        rate = (len(shown) - 1) / (shown[-1] - shown[0]) if len(shown) > 1 else 0.0
        annotated = np.ascontiguousarray(np.asarray(with_bars(picture, tops))[:, :, ::-1])
        cv2.setWindowTitle(_TITLE, f"{_TITLE}, {rate:.0f} frames/s")
        cv2.imshow(_TITLE, annotated)
        if cv2.waitKey(1) & 0xFF in _END or cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            cv2.destroyAllWindows()
            return
