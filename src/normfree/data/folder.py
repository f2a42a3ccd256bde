"""Images in class folders, ``root/train/<class>/*`` and ``root/val/<class>/*``, as ImageNet is kept."""

import os
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from normfree.config import UserError
from normfree.config.images import TEST_FOLDER, TRAIN_FOLDER, image_folders
from normfree.config.schema import AugmentConfig, DataConfig
from normfree.data.mixing import mix
from normfree.data.order import SAMPLE, SPLIT, epoch_order, generator, mixing_stream
from normfree.data.source import Batch

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Samples(Dataset[tuple[Tensor, int]]):
    """One image for one (epoch, index); its random augmentation depends on nothing else but the seed."""

    def __init__(self, folder: ImageFolder, transform: v2.Compose, seed: int) -> None:
        self.folder, self.transform, self.seed = folder, transform, seed

    def __len__(self) -> int:
        return len(self.folder)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        epoch, index = key
        path, label = self.folder.samples[index]
        number = epoch * len(self.folder) + index
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator(self.seed, SAMPLE, number).initial_seed())
            try:
                return self.transform(self.folder.loader(path)), label
            except (OSError, SyntaxError) as error:
                raise UserError(f"{path}: unreadable image ({error}); repair or remove the file") from error


class FolderSource:
    """Implements :class:`normfree.data.source.Source` with worker processes.

    The validation split is cut from the training folder by a fixed seed; the test split is the folder ``val``.
    Evaluation squashes to ``test_size + 32`` pixels and crops the centre, as the NFNet code does.
    """

    def __init__(self, data: DataConfig, augment: AugmentConfig, seed: int, micro_batch: int, per_epoch: int) -> None:
        root = image_folders(data)
        self._train = ImageFolder(str(root / TRAIN_FOLDER))
        self._test = ImageFolder(str(root / TEST_FOLDER))
        for place, folder in ((TRAIN_FOLDER, self._train), (TEST_FOLDER, self._test)):
            if len(folder.classes) != data.classes:
                raise UserError(
                    f"data.classes={data.classes}: {root / place} has {len(folder.classes)} class folders; "
                    f"set data.classes={len(folder.classes)}"
                )
        held_out = torch.randperm(len(self._train), generator=generator(0, SPLIT, 0))
        self._validation_index = held_out[: data.validation_samples].sort().values
        self._train_index = held_out[data.validation_samples :].sort().values
        self._data, self._augment, self._seed = data, augment, seed
        self._micro_batch, self._per_epoch = micro_batch, per_epoch

    def size(self, split: str) -> int:
        sizes = {
            "train": len(self._train_index),
            "validation": len(self._validation_index),
            "test": len(self._test),
        }
        return sizes[split]

    def training_batches(self, start: int, stop: int) -> Iterator[Batch]:
        dataset = _Samples(self._train, training_transform(self._data.train_size, self._augment), self._seed)
        loader = self._loader(dataset, list(self._training_keys(start, stop)))
        for number, (images, labels) in enumerate(loader, start):
            yield mix(images, labels, self._data.classes, self._augment, mixing_stream(self._seed, number))

    def evaluation_batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        folder = self._test if split == "test" else self._train
        index = {"train": self._train_index, "validation": self._validation_index}.get(split)
        order = torch.arange(len(folder)) if index is None else index
        keys = [[(0, int(i)) for i in part] for part in torch.split(order, batch_size)]
        for images, labels in self._loader(_Samples(folder, test_transform(self._data.test_size), 0), keys):
            yield Batch(images, labels)

    def _training_keys(self, start: int, stop: int) -> Iterator[list[tuple[int, int]]]:
        epoch = -1
        for number in range(start, stop):
            if number // self._per_epoch != epoch:
                epoch = number // self._per_epoch
                order = self._train_index[epoch_order(len(self._train_index), self._seed, epoch)]
            first = number % self._per_epoch * self._micro_batch
            yield [(epoch, int(index)) for index in order[first : first + self._micro_batch]]

    def _loader(self, dataset: _Samples, keys: list[list[tuple[int, int]]]) -> DataLoader[tuple[Tensor, int]]:
        workers = min(self._data.workers, os.cpu_count() or 1)
        return DataLoader(
            dataset,
            batch_sampler=keys,
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,
            pin_memory=torch.cuda.is_available(),
        )


def training_transform(size: int, augment: AugmentConfig) -> v2.Compose:
    """uint8 image of any size -> normalised float32 ``[3, size, size]``."""
    bicubic = v2.InterpolationMode.BICUBIC
    steps: list[torch.nn.Module] = [v2.RGB(), v2.PILToTensor()]
    if augment.random_resized_crop:
        steps.append(v2.RandomResizedCrop(size, interpolation=bicubic, antialias=True))
    else:
        steps.append(v2.Resize((size, size), interpolation=bicubic, antialias=True))
    if augment.flip:
        steps.append(v2.RandomHorizontalFlip())
    if augment.randaugment_layers:
        # torchvision's strength runs over 31 bins where the paper's runs from 0 to 10.
        strength = min(30, round(augment.magnitude * 3))
        steps.append(v2.RandAugment(augment.randaugment_layers, strength, fill=[128, 128, 128]))
    return v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])


def test_transform(size: int) -> v2.Compose:
    """Both sides to ``size + 32`` without keeping the aspect, then the centre crop; ``[3, size, size]``."""
    side = size + 32
    return v2.Compose(
        [
            v2.RGB(),
            v2.PILToTensor(),
            v2.Resize((side, side), interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
