"""Image parquet on the Hugging Face hub: found and counted without fetching an image, fetched into the hub's cache."""

import io
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from normfree.config.errors import WORKS, UserError
from normfree.config.sources.shards import Shards, choose
from normfree.config.sources.words import TRAIN
from normfree.host.installing import install

PREFIX = "hf://datasets/"
CONVERTED = "refs/convert/parquet"
"""The branch on which the hub keeps its own conversion of most data sets."""


class HubName(NamedTuple):
    """What ``data.root`` says: ``hf://datasets/OWNER/NAME[@REVISION][/FOLDER]``, or ``OWNER/NAME``."""

    root: str
    repository: str
    revision: str | None
    folder: str

    @property
    def label(self) -> str:
        """The data set's name without its owner, and the folder in it."""
        return "-".join([self.repository.split("/")[1], *PurePosixPath(self.folder).parts])

    def error(self, text: str) -> UserError:
        """One line; a name that could have been a path tells that there is none."""
        if not self.root.startswith(PREFIX):
            looked = f"no {Path(self.root).absolute()}; as a data set of the Hugging Face hub: "
            text = f"{looked}{text}; {WORKS}"
        return UserError(f"data.root={self.root}: {text}")


def hub_name(root: str | None) -> HubName | None:
    """The data set that ``root`` names; ``None`` for a local path, also for one that looks like a name and exists.

    Raises:
        UserError: ``hf://`` is followed by something else.
    """
    if root is None:
        return None
    name = r"(?P<repository>[\w-][\w.-]*/[\w-][\w.-]*)"
    if root.startswith("hf:"):
        found = re.fullmatch(rf"{PREFIX}{name}(@(?P<revision>[^/]+))?/?(?P<folder>.*)", root)
        if found is None:
            raise UserError(f"data.root={root}: write {PREFIX}OWNER/NAME, or {PREFIX}OWNER/NAME@REVISION/FOLDER")
        return HubName(root, found["repository"], found["revision"], found["folder"].strip("/"))
    found = re.fullmatch(name, root)
    return HubName(root, found["repository"], None, "") if found and not Path(root).exists() else None


@dataclass(frozen=True)
class HubFile:
    """A file of a data set, in the state of one commit.

    Attributes:
        branch: that it was found on; the cache remembers it for a time without network.
    """

    name: HubName
    branch: str
    commit: str
    path: str
    size: int

    def __str__(self) -> str:
        return f"{PREFIX}{self.name.repository}/{self.path}"

    def cached(self) -> Path | None:
        """Where it lies on this machine, if it does."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.name.repository, self.path, revision=self.commit, repo_type="dataset")
        return Path(found) if isinstance(found, str) else None

    def fetched(self) -> Path:
        """The same, after fetching it with a progress bar where it does not.

        Raises:
            UserError: it cannot be fetched.
        """
        from huggingface_hub import hf_hub_download

        if (there := self.cached()) is not None:
            return there
        try:
            return Path(hf_hub_download(self.name.repository, self.path, revision=self.branch, repo_type="dataset"))
        except Exception as error:  # of the hub, of its HTTP client, of the disk
            raise self.name.error(
                f"{self.path} cannot be fetched ({_line(error)}); the same command tries again"
            ) from error

    def open(self) -> Any:
        """Reads what is asked for, from the cache or over the network: a schema takes some kilobytes."""
        there = self.cached()
        return there.open("rb") if there is not None else io.BufferedReader(_Ranges(self), 1 << 16)


class _Ranges(io.RawIOBase):
    """A file of the hub read by parts."""

    def __init__(self, file: HubFile) -> None:
        from huggingface_hub import hf_hub_url

        self._file, self._at = file, 0
        self._url = hf_hub_url(file.name.repository, file.path, revision=file.commit, repo_type="dataset")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        from huggingface_hub import get_session
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        stop = min(self._at + len(buffer), self._file.size)
        if stop <= self._at:
            return 0
        part = {"Range": f"bytes={self._at}-{stop - 1}"}
        try:
            answer = get_session().get(self._url, headers=build_hf_headers() | part)
            answer.raise_for_status()
        except Exception as error:  # of its HTTP client, which is one or another
            raise self._file.name.error(f"{self._file.path} cannot be read ({_line(error)}); try again") from error
        content = answer.content[: stop - self._at] if answer.status_code == 206 else answer.content[self._at : stop]
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def hub_files(name: HubName, size: int | None) -> Shards[Any]:
    """Files of the training images and, where there are any, of the validation and test images, none fetched.

    The data set's own parquet files are taken, else those that the hub converted.

    Args:
        size: of the images; ``None`` where numbers in names are no sizes.

    Raises:
        UserError: there are none, or several kinds; the hub does not know the data set, or cannot be reached.
    """
    revision = f"@{name.revision}" if name.revision else ""
    place = "/".join(filter(None, (f"{PREFIX}{name.repository}{revision}", name.folder)))
    for branch in [name.revision] if name.revision else ["main", CONVERTED]:
        files = {
            path.relative_to(name.folder): file
            for file in _listed(name, branch)
            if (path := PurePosixPath(file.path)).suffix == ".parquet" and path.is_relative_to(name.folder)
        }
        shards = choose(list(files), size, name.error, within=place)
        if shards.splits[TRAIN]:
            found = {split: [files[path] for path in paths] for split, paths in shards.splits.items()}
            return Shards(found, shards.left_out)
    within = f" in its folder {name.folder}" if name.folder else ""
    raise name.error(
        f"{name.repository} has no parquet files of training images (train-*.parquet){within}; choose another data set"
    )


@cache
def _listed(name: HubName, branch: str) -> tuple[HubFile, ...]:
    """All files of a branch; of one that the hub has not, none."""
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
    except ImportError as error:
        raise name.error(
            f"needs the package huggingface_hub; {install('normfree[hub]')}, or give local files"
        ) from error
    page = f"https://huggingface.co/datasets/{name.repository}"
    try:
        info = HfApi().dataset_info(name.repository, revision=branch, files_metadata=True, timeout=20)
    except GatedRepoError as error:
        raise name.error(f"its terms must be accepted first, at {page}; then log in with hf auth login") from error
    except RevisionNotFoundError as error:
        if name.revision is None:
            return ()
        raise name.error(f"no revision {branch}; {page}/tree/main lists them") from error
    except RepositoryNotFoundError as error:
        raise name.error("no such data set; correct the name, or log in with hf auth login if it is private") from error
    except Exception as error:  # of the hub or of its HTTP client, which is one or another
        if found := _in_cache(name, branch):
            return found
        raise name.error(
            f"cannot be reached ({_line(error)}) and is not in the cache; check the network, or give local files"
        ) from error
    files = [(file.rfilename, file.size or 0) for file in info.siblings or []]
    return tuple(HubFile(name, branch, str(info.sha), path, size) for path, size in files)


def _in_cache(name: HubName, branch: str) -> tuple[HubFile, ...]:
    """What was fetched before."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return ()
    return tuple(
        HubFile(
            name, branch, kept.commit_hash, file.file_path.relative_to(kept.snapshot_path).as_posix(), file.size_on_disk
        )
        for repository in repositories
        if (repository.repo_type, repository.repo_id) == ("dataset", name.repository)
        for kept in repository.revisions
        if branch in (*kept.refs, kept.commit_hash)
        for file in kept.files
    )


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
