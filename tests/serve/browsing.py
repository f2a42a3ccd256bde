"""A headless Chromium with a fake camera."""

import io
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from normfree.data.mnist5k import mnist5k

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium with its driver: bash scripts/install_chromium.sh"
)
HOLD = 20
"""Frames of 30 a second for which a digit is shown."""
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--use-fake-device-for-media-stream",
)  # fmt: skip


def digits_camera(path: Path, digits: Sequence[int] = range(10), width: int = 640, height: int = 480) -> Path:
    """MJPEG of real digits, one after the other, each moving a little: what Chromium takes for a camera."""
    images, labels = mnist5k(28)["test"]
    with path.open("wb") as file:
        for digit in digits:
            image = Image.fromarray(images[int(torch.nonzero(labels == digit)[3])][0].numpy())
            large = image.resize((height, height), Image.Resampling.BICUBIC)
            for frame in range(HOLD):
                picture = Image.new("L", (width, height))
                picture.paste(large, ((width - height) // 2 + frame % 5 - 2, frame % 3 - 1))
                stream = io.BytesIO()
                picture.convert("RGB").save(stream, "JPEG", quality=90)
                file.write(stream.getvalue())
    return path


def video_camera(video: Path, path: Path) -> Path:
    """MJPEG of a video."""
    import av

    with av.open(str(video)) as container, path.open("wb") as file:
        for frame in container.decode(video=0):
            stream = io.BytesIO()
            frame.to_image().resize((640, 480)).save(stream, "JPEG", quality=90)
            file.write(stream.getvalue())
    return path


@contextmanager
def browser(place: Path, camera: Path | None, size: tuple[int, int] = (1280, 900)) -> Iterator[Any]:
    """Selenium's driver of one that has no history, in light colours.

    Args:
        camera: what it films; ``None`` denies it.
        size: of its window in pixels.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={place}", f"--window-size={size[0]},{size[1]}"):
        options.add_argument(flag)
    if camera is not None:
        options.add_argument("--use-fake-ui-for-media-stream")
        options.add_argument(f"--use-file-for-fake-video-capture={camera}")
    else:
        options.add_experimental_option("prefs", {"profile.default_content_setting_values.media_stream_camera": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER, log_output=subprocess.DEVNULL))
    try:
        shown_as(driver, False)
        yield driver
    finally:
        driver.quit()


def shown_as(driver: Any, dark: bool, phone: tuple[int, int] | None = None) -> None:
    """In dark colours, or on a phone of so many pixels."""
    features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    if phone is not None:
        metrics = {"width": phone[0], "height": phone[1], "deviceScaleFactor": 2, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})


def console(driver: Any) -> list[str]:
    """What the page's console has said since it was last asked."""
    return [json.dumps(entry) for entry in driver.get_log("browser")]


def text(driver: Any, selector: str) -> str:
    """Of the first element."""
    found: str = driver.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)
    return found
