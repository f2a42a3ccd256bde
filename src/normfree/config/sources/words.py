"""What names of folders and files say: which split, or that a system or an editor left them there."""

import re

TRAIN, VALIDATION, TEST = "train", "validation", "test"

_WORDS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
_FORM = re.compile(r"(?P<word>[a-z]+?)[ _-]?(set|data|images|split)?")

_SYSTEM = frozenset(
    (
        "__macosx", "lost+found", "@eadir", "$recycle.bin", "recycler", "system volume information", "thumbs.db",
        "ehthumbs.db", "desktop.ini", "icon\r", "#recycle", "#snapshot", "@recycle", "@recently-snapshot",
        "__pycache__", "network trash folder", "temporary items",
    )
)  # fmt: skip


def split_of(name: str) -> str | None:
    """The split that a folder's name says, in any case: ``Training``, ``VAL``, ``test_set``; else ``None``."""
    found = _FORM.fullmatch(name.lower())
    return _WORDS.get(found["word"]) if found else None


def splits_within(name: str) -> set[str]:
    """Splits that a folder's name has among other words: ``seg_train``, ``val2017``, but also ``steam train``."""
    return {_WORDS[word] for word in re.findall("[a-z]+", name.lower()) if word in _WORDS}


def split_word(word: str) -> str | None:
    """The same of one word of a file's name."""
    return _WORDS.get(word.lower())


def is_system(name: str) -> bool:
    """Whether a file or folder is hidden, or kept by a system for itself: never a class, never an image."""
    return name.startswith(".") or name.lower() in _SYSTEM
