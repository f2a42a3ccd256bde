"""Data sets of the Hugging Face hub, from a server on this machine that answers as the hub does."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.conftest import ROOT
from tests.data.images import digits_as_parquet, encoded, write_parquet

from normfree.config import UserError
from normfree.config.sources.hub import hub_name

SMALL = ("model=nf_resnet20", "model.depth=[1,1]", "model.width=[8,16]")
COMMIT, CONVERTED = "1" * 40, "2" * 40


@dataclass
class Hub:
    """Repositories ``OWNER/NAME`` -> branch -> commit and folder of its files; what was asked of it."""

    address: str = ""
    repositories: dict[str, dict[str, tuple[str, Path]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class _Answers(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        whole = "" if self.headers.get("Range") else " whole"
        self.hub.asked.append(f"{self.command} {'/'.join(parts)}{whole}")
        api = parts[:2] == ["api", "datasets"]
        repository = "/".join(parts[2:4] if api else parts[1:3])
        if repository == "owner/gated":
            return self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
        branches = self.hub.repositories.get(repository)
        if branches is None:
            return self._send(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        commits = branches | {commit: (commit, folder) for commit, folder in branches.values()}
        revision = parts[5] if api else parts[4]
        if revision not in commits:
            return self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        commit, folder = commits[revision]
        if api:
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            listed = [{"rfilename": str(path.relative_to(folder)), "size": path.stat().st_size} for path in files]
            return self._send(200, json.dumps({"id": repository, "sha": commit, "siblings": listed}).encode())
        content = folder.joinpath(*parts[5:]).read_bytes()
        headers = {"X-Repo-Commit": commit, "ETag": f'"{commit}-{"-".join(parts[5:])}"', "Accept-Ranges": "bytes"}
        if (wanted := self.headers.get("Range")) is None:
            return self._send(200, content, headers)
        first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return self._send(206, content[first : last + 1], headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"hub": made}))
    made.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def digits(tmp_path: Path, hub: Hub) -> Hub:
    """owner/digits, as data sets lie there: data/train-00000-of-00002.parquet and so on."""
    digits_as_parquet(tmp_path / "repository" / "data", train=400, test=40)
    (tmp_path / "repository" / "README.md").write_text("# Digits\n")
    hub.repositories["owner/digits"] = {"main": (COMMIT, tmp_path / "repository")}
    return hub


def environment(hub: Hub, home: Path) -> dict[str, str]:
    given = {"HF_ENDPOINT": hub.address, "HF_HOME": str(home / "hub"), "XDG_CACHE_HOME": str(home / "cache")}
    return os.environ | given | {"NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_TELEMETRY": "1"}


COUNT = """
import sys
from omegaconf import OmegaConf
from normfree.config import UserError, require_images
from normfree.config.sources import counted
from normfree.config.schema import DataConfig
sys.modules.update({name: None for name in sys.argv[2:]})
data = OmegaConf.structured(DataConfig(name="parquet", root=sys.argv[1], train_size=28))
for key in ("classes", "train_samples", "validation_samples", "test_samples"):
    data[key] = "???"
try:
    print(counted(data))
    require_images(DataConfig(name="parquet", root=sys.argv[1], train_size=28))
except UserError as error:
    print(error)
assert "torch" not in sys.modules
"""


def count(hub: Hub, home: Path, root: str, *missing: str) -> str:
    """What ``data=parquet`` learns of a data set, or the error line; none of the modules ``missing`` is there."""
    command = [sys.executable, "-c", COUNT, root, *missing]
    done = subprocess.run(command, env=environment(hub, home), cwd=home, text=True, capture_output=True, check=True)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    return done.stdout.strip()


DIGITS = "{'classes': 2, 'train_samples': 360, 'validation_samples': 40, 'test_samples': 40}"


@pytest.mark.parametrize("root", ["owner/digits", "hf://datasets/owner/digits", "hf://datasets/owner/digits@main/data"])
def test_a_data_set_is_counted_from_its_files_ends(digits: Hub, tmp_path: Path, root: str) -> None:
    assert count(digits, tmp_path, root) == DIGITS
    assert [line for line in digits.asked if line.endswith("whole")] == [
        "GET api/datasets/owner/digits/revision/main whole"
    ]
    assert not list(tmp_path.glob("hub/**/*.parquet"))


@pytest.mark.cli
def test_a_plan_fetches_nothing_and_a_run_trains_and_needs_no_network_the_next_time(
    digits: Hub, tmp_path: Path
) -> None:
    keys = ["data=parquet", "data.root=owner/digits", "data.train_size=28", *SMALL]
    keys += ["batch=40", "steps=2", "optimizer.warmup_steps=1", f"runs_dir={tmp_path / 'runs'}"]

    def train(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "train.py"), *keys, *more]
        return subprocess.run(command, env=environment(digits, tmp_path), text=True, capture_output=True)

    plan = train("plan=true")
    assert plan.returncode == 0, plan.stderr
    assert "digits, 360 training images" in plan.stdout
    assert not list(tmp_path.glob("hub/**/*.parquet"))
    run = train()
    assert run.returncode == 0, run.stderr
    assert len(list(tmp_path.glob("hub/**/snapshots/**/*.parquet"))) == 3
    digits.address = "http://127.0.0.1:9"
    again = train("seed=1")
    assert again.returncode == 0, again.stderr
    assert len(list((tmp_path / "runs").rglob("result.json"))) == 2


def test_the_branch_that_the_hub_converted_is_taken_where_there_is_no_parquet(hub: Hub, tmp_path: Path) -> None:
    for split, rows in (("train", 20), ("test", 6)):
        write_parquet(tmp_path / "converted" / "default" / split / "0000.parquet", *encoded(count=rows))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "images.zip").write_bytes(b"zip")
    branches = {"main": (COMMIT, tmp_path / "own"), "refs/convert/parquet": (CONVERTED, tmp_path / "converted")}
    hub.repositories["owner/zipped"] = branches
    assert "'train_samples': 18, 'validation_samples': 2, 'test_samples': 6" in count(hub, tmp_path, "owner/zipped")
    del branches["refs/convert/parquet"]
    line = count(hub, tmp_path, "hf://datasets/owner/zipped")
    assert line.startswith("data.root=hf://datasets/owner/zipped: owner/zipped has no parquet files of training images")


def test_several_folders_of_parquet_have_to_be_told_apart(hub: Hub, tmp_path: Path) -> None:
    for size, rows in (("160px", 20), ("320px", 30)):
        write_parquet(tmp_path / "all" / size / "train-0.parquet", *encoded(count=rows))
    hub.repositories["owner/sizes"] = {"main": (COMMIT, tmp_path / "all")}
    line = count(hub, tmp_path, "hf://datasets/owner/sizes")
    assert "several folders (160px, 320px); name one, such as data.root=hf://datasets/owner/sizes/160px" in line
    assert "'train_samples': 24" in count(hub, tmp_path, "hf://datasets/owner/sizes/320px")
    assert "no parquet files of training images (train-*.parquet) in its folder 64px" in count(
        hub, tmp_path, "hf://datasets/owner/sizes/64px"
    )


def test_what_cannot_be_had_is_one_line(digits: Hub, tmp_path: Path) -> None:
    line = count(digits, tmp_path, "owner/typo")
    assert f"data.root=owner/typo: no {tmp_path}/owner/typo; as a data set of the Hugging Face hub: no such" in line
    assert "data=mnist5k is embedded" in line
    assert "its terms must be accepted first" in count(digits, tmp_path, "owner/gated")
    line = count(digits, tmp_path, "hf://datasets/owner/digits@v9")
    assert "no revision v9; https://huggingface.co/datasets/owner/digits/tree/main lists them" in line
    line = count(digits, tmp_path, "hf://datasets/owner/digits", "huggingface_hub")
    assert "needs the package huggingface_hub; pip install 'normfree[hub]'" in line
    digits.address = "http://127.0.0.1:9"
    line = count(digits, tmp_path, "hf://datasets/owner/digits")
    assert "cannot be reached (" in line
    assert "is not in the cache; check the network" in line


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my" / "images").mkdir(parents=True)
    for path in (None, "my/images", "./other/images", "../other", "/a/b", "~/images", "images", "a/b/c"):
        assert hub_name(path) is None
    found = hub_name("uoft-cs/cifar10")
    assert found is not None
    assert (found.repository, found.revision, found.folder, found.label) == ("uoft-cs/cifar10", None, "", "cifar10")
    found = hub_name("hf://datasets/a/b.c@v1/x/y/")
    assert found is not None
    assert (found.repository, found.revision, found.folder, found.label) == ("a/b.c", "v1", "x/y", "b.c-x-y")
    with pytest.raises(UserError, match=r"data\.root=hf://a: write hf://datasets/OWNER/NAME"):
        hub_name("hf://a")
