"""The grammar of commands: words to a dataclass, and what is said of words that are none."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from normfree.config import UserError
from normfree.config.key_readers import choice, listed, number, optional, tupled, whole_number
from normfree.config.keys import key, names_of, read_keys, rows, shown
from normfree.config.network_keys import NetworkKeys
from normfree.evaluate.keys import EvaluateKeys, read_evaluate
from normfree.export.keys import ExportKeys, read_export


@dataclass
class Keys:
    name: str = key("first", "a name")
    batch: int = key(4, "images")
    sizes: list[int] = key([1, 8], "several numbers")
    layout: list[str] = key(["nchw"], "memory formats", listed(choice("nchw", "nhwc")))
    compile: bool = key(False, "whether")
    side: int | None = key(None, "pixels; null: all", optional(whole_number(1)))
    rates: tuple[float, ...] = key((), "numbers in order", tupled(number, 3, ordered=True))
    root: str | None = key(None, "where", typed="data.root")


def read(*words: str) -> Keys:
    return read_keys(Keys, words, command="python some.py")


def test_without_words_all_is_as_it_was() -> None:
    assert read() == Keys()
    assert read().sizes is not read().sizes


@pytest.mark.parametrize(
    ("word", "field", "value"),
    [
        ("name=a=b", "name", "a=b"),
        ("batch=16", "batch", 16),
        ("sizes=2,4", "sizes", [2, 4]),
        ("sizes=[2, 4]", "sizes", [2, 4]),
        ("layout=nhwc,nchw", "layout", ["nhwc", "nchw"]),
        ("compile=True", "compile", True),
        ("side=null", "side", None),
        ("side=32", "side", 32),
        ("rates=2,0.5", "rates", (0.5, 2.0)),
        ("data.root=/x", "root", "/x"),
        ("root=/x", "root", "/x"),
    ],
)
def test_a_word_is_a_value(word: str, field: str, value: object) -> None:
    assert getattr(read(word), field) == value


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["first"], "first: give key=value, such as name=first"),
        (["bach=3"], "bach=3: no such key, did you mean 'batch'?; there are: name, batch, sizes, layout, compile, "
         "side, rates, data.root; python some.py --help"),
        (["batch_size=3"], "batch_size=3: no such key, did you mean 'batch'?"),
        (["train_batch_size=3"], "train_batch_size=3: no such key"),
        (["--batch=3"], "--batch=3: no such flag; write batch=3, without dashes"),
        (["--batch"], "--batch: no such flag; write batch=..., without dashes"),
        (["--nonsense"], "--nonsense: no such flag; python some.py --help"),
        (["--batch-size=3"], "--batch-size=3: no such flag; write batch=3, the samples of a step; python some.py"),
        (["--resume"], "--resume: no such flag; python some.py --help"),
        (["batch=3", "batch=3"], "batch=3: batch is given twice; give it once"),
        (["data.root=a", "root=b"], "root=b: root is given twice; give it once"),
        (["batch=0"], "batch=0: give a whole number of at least 1"),
        (["batch=1e3"], "batch=1e3: give a whole number"),
        (["sizes=1,x"], "sizes=1,x: give a whole number"),
        (["layout=nchv"], "layout=nchv: choose from nchw, nhwc, did you mean 'nchw'?"),
        (["compile=yes"], "compile=yes: give true or false"),
        (["rates=nan"], "rates=nan: give a number, such as 1 or 0.2, or several with commas between them"),
        (["rates=1,1"], "rates=1,1: give each number once, and up to 3"),
        (["force"], "force: a run that has its result is not trained again"),
    ],
)  # fmt: skip
def test_what_is_no_word_is_one_line(words: list[str], line: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(line)}") as error:
        read(*words)
    assert "\n" not in str(error.value)


def test_what_belongs_elsewhere_is_told() -> None:
    def told(*words: str) -> str:
        with pytest.raises(UserError) as error:
            read_keys(
                Keys, words, command="python some.py", of=" of nets", further=["probe"], flags={"-m": "one at a time"},
                elsewhere=lambda name: "is another's" if name == "model" else "",
            )  # fmt: skip
        return str(error.value)

    assert told("model=x") == "model=x: is another's"
    assert told("-m") == "-m: one at a time"
    assert "no such key of nets" in told("x=1")
    assert "data.root, probe;" in told("x=1")


def test_the_help_has_a_row_for_every_key() -> None:
    lines = rows(Keys)
    assert [line.split()[0] for line in lines] == names_of(Keys)
    assert lines[1] == "  batch        4        images"
    assert lines[6] == "  rates                 numbers in order"
    assert shown((0.5, 2.0)) == "0.5,2"


def test_commands_that_take_a_network_are_told_of_it_by_the_same_words() -> None:
    """In the same order, before their own."""
    common = names_of(NetworkKeys)
    assert names_of(EvaluateKeys)[: len(common)] == names_of(ExportKeys)[: len(common)] == common


@pytest.mark.parametrize("read_words", [read_evaluate, read_export])
def test_words_of_other_images_and_networks_are_passed_on(read_words: Callable[..., NetworkKeys]) -> None:
    keys = read_words(["weights=w", "model=resnet20", "data.root=r", "model.width=[1,2]", "size=7"])
    assert (keys.data_words, keys.model_words, keys.size) == (
        ["data.root=r"],
        ["model=resnet20", "model.width=[1,2]"],
        7,
    )
    for words, line in (
        ([], "run: is missing; give run=DIR, "),
        (["run=a", "weights=b"], "run=a and weights=b: give one of them"),
        (["run=a", "model=resnet20"], "model=resnet20: a run says of which network it is; model= is for weights=FILE"),
        (["run=a", "-m"], "once for each"),
        (["run=a", "data"], "data: give key=value"),
    ):
        with pytest.raises(UserError, match=line):
            read_words(words)
