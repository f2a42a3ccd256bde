"""The page in a headless Chromium whose camera is a file."""

import os
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.serve.browsing import browser, console, digits_camera, needs_chromium, shown_as, text, video_camera
from tests.serve.server import Server

from normfree import api
from normfree.trained import from_run

pytestmark = needs_chromium
GIVEN = "NORMFREE_TEST_DATA"
PROMISED = 15
"""Frames a second, end to end, of a small network on two cores."""
TOP = ".card:not([hidden]) .bars .label"


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_camera(tmp_path_factory.mktemp("camera") / "digits.mjpeg")


@pytest.fixture(scope="module")
def window(camera: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("profile"), camera) as driver:
        yield driver


@pytest.fixture
def page(window: Any, server: Server) -> Iterator[Any]:
    """Opened for a test, as it takes a good part of the cores as long as it is."""
    window.get(server.url)
    until(lambda: rate(window) > 0)
    yield window
    assert console(window) == []
    window.get("about:blank")


def until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not come about"
        time.sleep(0.05)


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def rate(driver: Any) -> float:
    shown = text(driver, "#rate")
    return float(shown) if shown[:1].isdigit() else 0.0


def best_rate(driver: Any) -> float:
    """Of three minutes, or until it is what was promised, as other programs may take the cores for a while."""
    best, end = 0.0, time.monotonic() + 180
    while best < PROMISED and time.monotonic() < end:
        best = max(best, rate(driver))
        time.sleep(0.3)
    return best


def labels(driver: Any, seconds: float) -> list[str]:
    """The most probable class as it changes."""
    seen, end = [text(driver, TOP)], time.monotonic() + seconds
    while time.monotonic() < end:
        if (label := text(driver, TOP)) != seen[-1]:
            seen.append(label)
        time.sleep(0.02)
    return seen


def test_labels_follow_the_camera_at_the_promised_rate(page: Any) -> None:
    until(lambda: rate(page) > 0)
    seen = labels(page, 8)
    followed = sum(int(after) == (int(before) + 1) % 10 for before, after in pairwise(seen))
    assert followed >= 4, seen
    assert len(set(seen)) >= 6, seen
    best = best_rate(page)
    print(f"{best} frames/s, latency {text(page, '#median')}, share of the networks {text(page, '#share')}")
    assert best >= PROMISED


def test_the_keyboard(page: Any) -> None:
    def cards() -> list[bool]:
        hidden: list[bool] = page.execute_script("return [...document.querySelectorAll('.card')].map(c => !c.hidden)")
        return hidden

    page.execute_script("document.activeElement.blur()")
    assert cards() == [True, True]
    for keys, expected in [("1", [True, False]), ("2", [False, True]), ("3", [True, True]), ("s", [True, False]),
                           ("s", [False, True]), ("\ue012", [True, False]), ("\ue014", [False, True]),
                           ("\ue014", [True, True])]:  # fmt: skip
        press(page, keys)
        assert cards() == expected, keys
    press(page, " ")
    assert text(page, "#pause") == "Go on"
    time.sleep(1)
    still = text(page, ".cards")
    time.sleep(1)
    assert text(page, ".cards") == still
    press(page, " ")
    assert text(page, "#pause") == "Pause"
    until(lambda: text(page, ".cards") != still)


def test_every_control_is_reached_and_seen_by_keyboard(page: Any) -> None:
    page.execute_script("document.activeElement.blur()")
    reached = []
    for _ in range(4):
        press(page, "\ue004")
        reached.append(page.execute_script("return document.activeElement.id || document.activeElement.type"))
    assert reached == ["radio", "pause", "open", "invert"]
    press(page, " ")
    assert text(page, "#pause") == "Pause", "space belongs to the control that has the focus"
    press(page, " ")
    page.execute_script("document.activeElement.blur()")


def test_an_image_is_answered_as_by_the_network(page: Any, twins: list[api.Run], digits: Path) -> None:
    file = sorted(digits.glob("4/*.png"))[5]
    page.find_element("id", "file").send_keys(str(file))
    until(lambda: text(page, "#badge") == file.name)
    for number, run in enumerate(twins):
        trained = from_run(run.path)
        expected = trained.probabilities(trained.preprocessing.tested(file.read_bytes())[None])[0]
        best = int(expected.argmax())
        card = f".card:nth-child({number + 1})"
        until(lambda card=card, best=best: text(page, f"{card} .label") == str(best))  # type: ignore[misc]
        shown = float(text(page, f"{card} .share").split()[0])
        assert shown == pytest.approx(100 * float(expected[best]), abs=1.5), "bfloat16 may differ a little"
    press(page, "\ue00c")
    until(lambda: not text(page, "#badge") or page.execute_script("return document.getElementById('badge').hidden"))


def test_a_file_that_is_no_image_is_told(page: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    page.find_element("id", "file").send_keys(str(bad))
    until(lambda: "This image cannot be read" in text(page, "#message"))
    assert text(page, "#message-text").startswith("bad.png: none of JPEG, PNG")
    page.find_element("id", "retry").click()
    until(lambda: page.execute_script("return document.getElementById('message').hidden"))
    refused = console(page)
    assert all("422" in line for line in refused), refused


def test_a_drop(page: Any, digits: Path) -> None:
    """As the browser hands over a file that is dropped."""
    content = list(sorted(digits.glob("0/*.png"))[0].read_bytes())
    page.execute_script(
        "const held = new DataTransfer();"
        "held.items.add(new File([new Uint8Array(arguments[0])], 'zero.png', {type: 'image/png'}));"
        "for (const kind of ['dragenter', 'dragover', 'drop'])"
        " document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: held, bubbles: true, cancelable: true}));",
        content,
    )
    until(lambda: text(page, "#badge") == "zero.png" and text(page, TOP) == "0")
    page.find_element("id", "live").click()


@pytest.fixture(scope="module")
def phone(camera: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("phone"), camera, (768, 740)) as driver:
        yield driver


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 768])
def test_a_narrow_screen(width: int, dark: bool, server: Server, phone: Any) -> None:
    shown_as(phone, dark, (width, 740))
    phone.get(server.url)
    until(lambda: rate(phone) > 0)
    assert phone.execute_script("return document.documentElement.scrollWidth") == width
    small = phone.execute_script(
        "return [...document.querySelectorAll('button, select, .tick')].filter(e => e.offsetParent)"
        ".filter(e => e.getBoundingClientRect().height < 44).map(e => e.id)"
    )
    assert small == []
    cut = phone.execute_script(
        "return [...document.querySelectorAll('button, h2, dt, dd, .choice label')].filter(e => e.offsetParent)"
        ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    )
    assert cut == [] or width == 320
    assert worst_contrast(phone) >= 4.5
    assert console(phone) == []
    phone.get("about:blank")


def worst_contrast(driver: Any) -> float:
    """Of the colours of texts on the grounds that they stand on."""
    names = ("ground", "surface", "ink", "quiet", "warn", "one", "two", "track")
    colours = driver.execute_script(
        "const style = getComputedStyle(document.documentElement);"
        "return arguments[0].map(name => style.getPropertyValue('--' + name).trim())",
        names,
    )
    light = dict(zip(names, map(luminance, colours), strict=True))
    pairs = [("ink", "ground"), ("ink", "surface"), ("quiet", "ground"), ("quiet", "surface"), ("warn", "surface")]
    bars = [contrast(light[bar], light["track"]) for bar in ("one", "two")]
    assert min(bars) >= 3, "of what is no text"
    return min(contrast(light[one], light[other]) for one, other in pairs)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * each for each in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_a_second_client(page: Any, server: Server, camera: Path, tmp_path: Path) -> None:
    with browser(tmp_path, camera) as other:
        other.get(server.url)
        until(lambda: rate(other) > 0)
        seen = labels(page, 4), labels(other, 4)
        print(f"{rate(page)} and {rate(other)} frames/s")
        assert min(map(len, seen)) > 3
        assert console(other) == []
    until(lambda: rate(page) > 0)


def test_a_camera_that_is_denied(server: Server, digits: Path, tmp_path: Path) -> None:
    with browser(tmp_path, None) as driver:
        driver.get(server.url)
        until(lambda: text(driver, "#message-title") == "The camera is not allowed")
        driver.find_element("id", "file").send_keys(str(sorted(digits.glob("1/*.png"))[0]))
        until(lambda: text(driver, TOP) == "1")
        driver.find_element("id", "live").click()
        until(lambda: not driver.execute_script("return document.getElementById('message').hidden"))
        assert console(driver) == []


def test_a_server_that_is_gone_and_comes_back(twins: list[api.Run], camera: Path, tmp_path: Path) -> None:
    run = f"run={twins[1].path}"
    with browser(tmp_path, camera) as driver:
        with Server(run, fresh=False) as first:
            driver.get(first.url)
            until(lambda: rate(driver) > 0)
        assert first.code == 0
        assert "; medians of the last" in first.lines[-1]
        until(lambda: text(driver, "#message-title") == "The server does not answer")
        with Server(run, port=first.port, fresh=False) as second:
            until(lambda: driver.execute_script("return document.getElementById('message').hidden"))
            until(lambda: rate(driver) > 0)
        assert second.errors == ""


def test_a_real_video_as_camera(server: Server, tmp_path: Path) -> None:
    video = Path(os.environ.get(GIVEN, "")) / "video" / "bikes.mp4"
    if not os.environ.get(GIVEN) or not video.is_file():
        pytest.skip(f"{GIVEN} names no folder with video/bikes.mp4")
    with browser(tmp_path / "profile", video_camera(video, tmp_path / "video.mjpeg")) as driver:
        driver.get(server.url)
        until(lambda: rate(driver) > 0)
        assert len(labels(driver, 8)) > 1
        assert best_rate(driver) >= PROMISED
        assert console(driver) == []


def test_dark_ink_on_paper_is_inverted(server: Server, digits: Path, tmp_path: Path) -> None:
    """For networks whose training images are light on dark."""
    from tests.serve.browsing import HOLD

    file = tmp_path / "paper.mjpeg"
    digit = Image.open(sorted(digits.glob("3/*.png"))[0]).resize((480, 480), Image.Resampling.BICUBIC)
    paper = Image.new("L", (640, 480), 255)
    paper.paste(digit.point(lambda value: 255 - value), (80, 0))
    with file.open("wb") as stream:
        for _ in range(HOLD):
            paper.convert("RGB").save(stream, "JPEG")
    with browser(tmp_path / "profile", file) as driver:
        driver.get(server.url)
        until(lambda: text(driver, TOP) == "3")


def test_nothing_of_the_page_comes_from_elsewhere() -> None:
    """And nothing stands in it that the content policy forbids."""
    from importlib.resources import files

    for file in (files("normfree.serve.browser") / "page").iterdir():
        content = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in content, file.name
        assert "style=" not in content, file.name
