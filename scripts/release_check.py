"""What would be published, tried as a stranger has it: ``make release-check``.

Builds sdist and wheel, looks at what is in them and at their metadata, installs the wheel alone with the versions of
constraints.txt into an empty environment, and there runs ``normfree --version`` and a short ``normfree demo`` in an
empty folder. Everything is made in a temporary folder; nothing is published. Ends with 0, or 1 and what is wrong.
"""

import email
import email.message
import email.policy
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from markdown_it import MarkdownIt
from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parent.parent
SHORT = ("seed=8", "steps=8", "optimizer.warmup_steps=2", "outcome.window=3")
"""Of the demo: each of its arms once, for a few steps."""
WHEEL_TOPS = {"normfree", "hydra_plugins"}
SDIST_TOPS = {"src", "conf", "experiments"}
SDIST_FILES = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
SUFFIXES = {".py", ".yaml", ".c", ".j2", ".css", ".js", ".html", ".svg", ".typed", ".csv", ".json", ".txt", ".md"}


class Wrong(Exception):
    """What must not be published, in a line."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Says what is done, and how long it took."""
    print(f"{name} ...", end=" ", flush=True)
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:.0f} s", flush=True)


def called(*words: str | Path, place: Path = ROOT) -> str:
    """What a command prints; raises `Wrong` where it fails."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    answer = subprocess.run([str(word) for word in words], cwd=place, env=clean, capture_output=True, text=True)
    if answer.returncode != 0:
        raise Wrong(f"{' '.join(map(str, words))} ended with {answer.returncode}:\n{answer.stdout}{answer.stderr}")
    return answer.stdout


def expected_version() -> str:
    """That of pyproject.toml, which the package, CITATION.cff and the changelog must name too."""
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    for name, pattern in (
        ("CITATION.cff", r"^version: (\S+)$"),
        ("src/normfree/__init__.py", r'^__version__ = "(\S+)"$'),
        ("CHANGELOG.md", r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$"),
    ):
        found = re.search(pattern, (ROOT / name).read_text("utf-8"), re.MULTILINE)
        if found is None or found.group(1) != version:
            raise Wrong(f"{name}: names version {found and found.group(1)}, pyproject.toml {version}")
    return version


def check_wheel(names: Iterable[str], version: str) -> None:
    """The package with all of its configuration and its licence, and nothing else."""
    inside = set(names)
    info = f"normfree-{version}.dist-info"
    if stray := sorted({name.split("/")[0] for name in inside} - WHEEL_TOPS - {info}):
        raise Wrong(f"wheel: {', '.join(stray)} does not belong there")
    if odd := sorted(name for name in inside if not name.startswith(info) and Path(name).suffix not in SUFFIXES):
        raise Wrong(f"wheel: {', '.join(odd)}: no such kind of file is published")
    if f"{info}/licenses/LICENSE" not in inside:
        raise Wrong("wheel: the licence is missing")
    for folder, group in (("conf", "conf"), ("experiments", "conf/experiment")):
        for file in (ROOT / folder).rglob("*.yaml"):
            if (name := f"normfree/{group}/{file.relative_to(ROOT / folder)}") not in inside:
                raise Wrong(f"wheel: {name} is missing")
    for file in (ROOT / "src").rglob("*.py"):
        if str(file.relative_to(ROOT / "src")) not in inside:
            raise Wrong(f"wheel: {file.relative_to(ROOT / 'src')} is missing")


def check_sdist(names: Iterable[str], version: str) -> None:
    """What the wheel is built of, without tests, reports and other people's data."""
    inside = {name.removeprefix(f"normfree-{version}/") for name in names}
    if stray := sorted(name for name in inside if name.split("/")[0] not in SDIST_TOPS | SDIST_FILES):
        raise Wrong(f"sdist: {', '.join(stray[:5])} does not belong there")
    if missing := sorted(SDIST_FILES - {".gitignore"} - inside):
        raise Wrong(f"sdist: {', '.join(missing)} is missing")


def check_metadata(text: str, version: str) -> None:
    """Valid by the rules of package indexes, of this version, with a description that renders."""
    found = Metadata.from_email(text, validate=True)
    message: email.message.EmailMessage = email.message_from_string(text, policy=email.policy.default)  # type: ignore[assignment]
    if str(found.version) != version:
        raise Wrong(f"metadata: is of version {found.version}, not {version}")
    if found.license_expression is None or found.summary is None or not found.requires_dist:
        raise Wrong("metadata: licence, summary or requirements are missing")
    if found.description_content_type is None or not found.description_content_type.startswith("text/markdown"):
        raise Wrong(f"metadata: the description is {message['Description-Content-Type']}, not Markdown")
    if not MarkdownIt().render(found.description or "").startswith("<h1>"):
        raise Wrong("metadata: the description does not render: README.md should begin with a heading")


def uv() -> str:
    """Beside this interpreter, where the packages are that it sees, or on the path."""
    spec = importlib.util.find_spec("uv")
    seen = [Path(spec.origin).parents[4] / "bin"] if spec and spec.origin else []
    places = os.pathsep.join(map(str, [Path(sys.executable).parent, *seen, os.environ.get("PATH", os.defpath)]))
    found = shutil.which("uv", path=places)
    if found is None:
        raise Wrong("uv is not installed: make setup")
    return found


def check(place: Path) -> None:
    """All of it, in an empty folder."""
    version = expected_version()
    with step("build sdist, and the wheel from it"):
        called(uv(), "build", "--quiet", "--out-dir", place / "dist", ROOT)
    wheel = place / "dist" / f"normfree-{version}-py3-none-any.whl"
    sdist = place / "dist" / f"normfree-{version}.tar.gz"
    with step("contents and metadata"), zipfile.ZipFile(wheel) as packed, tarfile.open(sdist) as archive:
        check_wheel((name for name in packed.namelist() if not name.endswith("/")), version)
        check_sdist((member.name for member in archive if not member.isdir()), version)
        check_metadata(packed.read(f"normfree-{version}.dist-info/METADATA").decode(), version)
    print(f"  wheel {wheel.stat().st_size / 1e6:.1f} MB, sdist {sdist.stat().st_size / 1e6:.1f} MB")
    python, program = place / "venv" / "bin" / "python", place / "venv" / "bin" / "normfree"
    with step("install the wheel into an empty environment"):
        called(uv(), "venv", "--quiet", "--python", sys.executable, place / "venv")
        pins = ("--constraint", ROOT / "constraints.txt")
        called(uv(), "pip", "install", "--quiet", "--python", python, *pins, wheel)
    empty = place / "empty"
    empty.mkdir()
    with step("normfree --version"):
        if (said := called(program, "--version", place=empty)).strip() != f"normfree {version}":
            raise Wrong(f"normfree --version says {said!r}")
    with step(f"normfree demo {' '.join(SHORT)}"):
        called(program, "demo", *SHORT, place=empty)
    if not (empty / "reports" / "quickstart" / "report.html").is_file():
        raise Wrong("normfree demo wrote no report")


def main() -> int:
    """The exit code."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="release-check-") as place:
            check(Path(place))
    except Wrong as wrong:
        print(f"\nerror: {wrong}", file=sys.stderr)
        return 1
    print(f"normfree {expected_version()} can be published ({time.monotonic() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
