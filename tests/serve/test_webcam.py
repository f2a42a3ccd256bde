"""A window for a camera: what is missing is told, and what is shown is what the network sees."""

import importlib.machinery
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from normfree import api
from normfree.cli.main import main
from normfree.data.mnist5k import mnist5k


class Camera:
    """As OpenCV gives one; it has so many frames."""

    def __init__(self, frames: int) -> None:
        self._left, self.released = frames, False
        digit = mnist5k(28)["test"][0][0, 0].numpy()
        self._picture = np.kron(digit, np.ones((10, 10), np.uint8))[:, :, None].repeat(3, 2)

    def isOpened(self) -> bool:
        return self._left > 0

    def read(self) -> tuple[bool, Any]:
        self._left -= 1
        return self._left >= 0, self._picture.copy()

    def release(self) -> None:
        self.released = True


class Window(ModuleType):
    """OpenCV, as far as it is used: a key is pressed after so many frames."""

    error = RuntimeError
    WINDOW_NORMAL = WND_PROP_VISIBLE = 0

    def __init__(self, camera: Camera, until: int, key: int = ord("q"), headless: bool = False) -> None:
        super().__init__("cv2")
        self.__spec__ = importlib.machinery.ModuleSpec("cv2", None)
        self.shown: list[Any] = []
        self._camera, self._until, self._key, self._headless = camera, until, key, headless

    def VideoCapture(self, number: int) -> Camera:
        return self._camera

    def namedWindow(self, *arguments: object) -> None:
        if self._headless:
            raise RuntimeError("not implemented")

    def imshow(self, title: str, picture: Any) -> None:
        self.shown.append(picture)

    def waitKey(self, milliseconds: int) -> int:
        return self._key if len(self.shown) >= self._until else -1

    def getWindowProperty(self, *arguments: object) -> float:
        return 1.0

    def setWindowTitle(self, *arguments: object) -> None: ...

    def destroyAllWindows(self) -> None: ...


def watched(run: api.Run, cv2: ModuleType | None, monkeypatch: pytest.MonkeyPatch, display: str = ":0") -> int:
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return main(["predict", f"run={run.path}", "source=webcam"])


def test_frames_are_shown_until_q(
    twins: list[api.Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = Camera(100)
    window = Window(camera, until=5)
    assert watched(twins[1], window, monkeypatch) == 0
    assert len(window.shown) == 5
    assert window.shown[-1].shape == (280, 280, 3)
    assert camera.released
    assert "nf_resnet20, 28 px: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("window", "display", "line"),
    [
        (Window(Camera(0), 1), ":0", "source=webcam: camera 0 cannot be opened"),
        (Window(Camera(4), 99), ":0", "source=webcam: the camera is gone"),
        (Window(Camera(9), 1, headless=True), ":0", "this OpenCV opens no windows"),
        (Window(Camera(9), 1), "", "there is no display here; source=browser"),
    ],
)
def test_what_is_missing_is_told(
    window: Window,
    display: str,
    line: str,
    twins: list[api.Run],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert watched(twins[1], window, monkeypatch, display) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


def test_without_opencv(
    twins: list[api.Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert watched(twins[1], None, monkeypatch) == 2
    assert "pip install opencv-python, or source=browser" in capsys.readouterr().err
