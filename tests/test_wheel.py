"""The package as it is published: built, installed and used in an empty folder."""

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import psutil
import pytest

from normfree import __version__
from tests.conftest import ROOT, TINY, command_line
from tests.runs_on_disk import results

LONG = ("data.train_size=7", "batch=50", "steps=100000", "trainer.log_every=2")


def uv() -> str:
    """Beside the interpreter, or where the packages that it sees are installed."""
    spec = importlib.util.find_spec("uv")
    places = [Path(sys.executable).parent, *([Path(spec.origin).parents[4] / "bin"] if spec and spec.origin else [])]
    found = next((found for place in places if (found := shutil.which("uv", path=str(place)))), None)
    if found is None:
        pytest.skip("uv is not installed: make setup")
    return found


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a wheel that is installed beside the packages of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [uv(), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    built = subprocess.run(build, capture_output=True, text=True, timeout=240, check=False)
    if "Failed to fetch" in built.stderr:
        pytest.skip("no package index at hand for the build's own environment")
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    subprocess.run([uv(), "pip", "install", "--quiet", "--no-deps", "--python", str(python), str(wheel)], check=True)
    (packages,) = (folder / "venv" / "lib").glob("*/site-packages")
    seen = [place for place in sys.path if place.endswith("site-packages")]
    (packages / "others.pth").write_text("\n".join(seen), encoding="utf-8")
    return python.with_name("normfree")


def call(program: Path, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *words], cwd=place, capture_output=True, text=True, timeout=240, check=False)


def test_all_configuration_is_in_it(program: Path) -> None:
    (inside,) = program.parents[1].glob("lib/*/site-packages/normfree/conf")
    for folder, group in (("conf", ""), ("experiments", "experiment")):
        for file in (ROOT / folder).rglob("*.yaml"):
            assert (inside / group / file.relative_to(ROOT / folder)).read_bytes() == file.read_bytes()


def test_the_page_is_in_it(program: Path) -> None:
    (inside,) = program.parents[1].glob("lib/*/site-packages/normfree/serve/browser/page")
    page = ROOT / "src" / "normfree" / "serve" / "browser" / "page"
    assert {file.name for file in page.iterdir()} == {file.name for file in inside.iterdir()}
    for file in page.iterdir():
        assert (inside / file.name).read_bytes() == file.read_bytes()


def test_a_run_a_sweep_and_a_report(program: Path, tmp_path: Path) -> None:
    run = call(program, tmp_path, "train", *TINY, "data=mnist5k", "model=nf_resnet20")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    (result,) = results(tmp_path / "runs")
    provenance: dict[str, object] = result["provenance"]  # type: ignore[assignment]
    assert provenance["commit"] == f"v{provenance['normfree']}", "the version stands for it"
    assert provenance["dirty"] is False
    assert str(result["run_id"]) in command_line("train.py", *TINY, "plan=true").stdout, "the repository's run"
    judged = call(program, tmp_path, "evaluate", f"run=runs/single/{result['run_id']}")
    assert judged.returncode == 0, judged.stderr
    assert judged.stdout.splitlines()[-1] == f"evaluations/{result['run_id']}/index.html"
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mine.yaml").write_text(
        "# @package _global_\nhydra: {mode: MULTIRUN}\n"
        "experiment:\n  name: mine\n  question: Mine?\n  grids: {one: {clip: 'none,gentle'}}\n"
        "  series: {gentle: {label: Gentle, where: {clip.max_norm: 0.3}}}\n"
        "  panels: {one: {kind: accuracy_over, title: One, x: lr}}\n",
        encoding="utf-8",
    )
    (tmp_path / "conf" / "clip").mkdir(parents=True)
    (tmp_path / "conf" / "clip" / "gentle.yaml").write_text("name: norm\nmax_norm: 0.3\n", encoding="utf-8")
    sweep = call(program, tmp_path, "train", "-m", "experiment=mine", *TINY)
    assert sweep.returncode == 0, sweep.stderr
    assert "2/2 runs done" in sweep.stdout
    report = call(program, tmp_path, "report", "experiment=mine")
    assert report.returncode == 0, report.stderr
    assert (tmp_path / "reports" / "mine" / "report.html").is_file()
    listed = call(program, tmp_path, "runs")
    assert "normfree runs experiment=single" in listed.stdout


def test_ranks_find_the_same_configuration_and_the_users_own_network(program: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/train/own_modules.py", tmp_path / "mine_alone.py")
    words = ("model=custom", "model._target_=mine_alone.PlainCNN", "trainer=ddp_cpu", "trainer.devices=2", *TINY)
    answer = call(program, tmp_path, "train", *words)
    assert answer.returncode == 0, answer.stderr
    (result,) = results(tmp_path / "runs")
    assert result["batch"]["devices"] == 2  # type: ignore[index]
    assert list(tmp_path.glob("runs/single/*/attempts/1/own_code/mine_alone.py"))


def test_ctrl_c_ends_a_sweep(program: Path, tmp_path: Path) -> None:
    words = ("train", "-m", *LONG, "seed=0,1", "hydra.launcher.workers=1")
    process = subprocess.Popen(
        [program, *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(600):
        if any(len(path.read_text().splitlines()) > 2 for path in tmp_path.rglob("metrics.csv")):
            break
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "1 preempted, 1 planned" in output
    assert "the same command goes on" in errors
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_the_python_interface_in_an_empty_folder(program: Path, tmp_path: Path) -> None:
    code = (
        "from normfree import api\n"
        f"print(api.run({[*TINY]!r}, progress=False).status)\n"
        f"print(len(api.sweep({[*TINY, 'seed=0,1']!r}, progress=False)))\n"
    )
    command = [program.with_name("python"), "-W", "ignore", "-c", code]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split()[-1] == "2"


def test_a_job_of_slurm_gets_the_package_with_its_configuration(program: Path, tmp_path: Path) -> None:
    code = (
        "import json, sys\nfrom pathlib import Path\n"
        "from normfree.compose.run import compose_run\nfrom normfree.slurm.submission import take_snapshot\n"
        f"words = {[*TINY]!r}\n"
        "folder = take_snapshot(Path('runs/single'), [(compose_run(words), words)])\n"
        "print(json.dumps([str(folder), json.loads((folder / 'origin.json').read_text())]))\n"
    )

    def snapshot() -> tuple[str, dict[str, object]]:
        command = [program.with_name("python"), "-c", code]
        answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert answer.returncode == 0, answer.stderr
        folder, origin = json.loads(answer.stdout)
        return folder, origin

    folder, origin = snapshot()
    assert origin == {"commit": f"v{__version__}", "dirty": False}
    assert (Path(folder) / "code/normfree/conf/train.yaml").is_file()
    job = Path(folder) / "code/normfree/slurm/job.py"
    (installed,) = program.parents[1].glob("lib/*/site-packages/normfree/slurm/job.py")
    assert job.read_bytes() == installed.read_bytes()
    installed.write_bytes(job.read_bytes() + b"# edited\n")
    try:
        assert snapshot()[1]["dirty"] is True, "the release is not what was installed any more"
    finally:
        installed.write_bytes(job.read_bytes())
