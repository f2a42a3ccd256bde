"""Images that are too small for a network end in one line, before anything is written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import resolved

from normfree.config import Resolved, UserError
from normfree.train.parts.image_size import check_image_size
from normfree.train.plan import describe_plan
from normfree.train.run import run_one

FOLDERS = ("data=imagenet", "data.root=none")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ("model=nfnet_f0", "data=mnist5k", "augment=none", "data.train_size=20", "batch=50"),
            "data.train_size=20: nfnet_f0 reduces its maps 32-fold and needs images of 32 px or more; "
            "use data.train_size=32, fewer stages, or a small network such as model=nfnet_nano",
        ),
        (
            ("model=resnet50", *FOLDERS, "data.test_size=31", "batch=50"),
            "data.test_size=31: resnet50 reduces its maps 32-fold and needs images of 32 px or more; "
            "use data.test_size=32, fewer stages, or a small network such as model=resnet20",
        ),
    ],
)
def test_one_line(options: tuple[str, ...], line: str, tmp_path: Path) -> None:
    run = resolved(*options, f"runs_dir={tmp_path / 'runs'}")
    for use in (check_image_size, describe_plan, lambda it: run_one(it, [])):
        with pytest.raises(UserError) as caught:
            use(run)
        assert str(caught.value) == line
    assert not list(tmp_path.iterdir())


def test_what_is_large_enough(tiny: Callable[..., Resolved]) -> None:
    check_image_size(resolved("experiment=quickstart"))
    for name in ("resnet20", "nf_resnet20", "nfnet_nano", "bn_nfnet_nano"):
        check_image_size(tiny(f"model={name}"))
    check_image_size(resolved("model=nfnet_f0", *FOLDERS, "data.train_size=32", "data.test_size=32", "batch=50"))
    stages = ("model.width=[16,32,64]", "model.depth=[1,1,1]", "model.group_size=8")
    check_image_size(
        resolved("model=nfnet_f0", "data=mnist5k", "augment=none", "data.train_size=20", "batch=50", *stages)
    )
