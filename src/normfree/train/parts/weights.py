"""The weights that a run starts from: whether they fit its network, and giving them to it.

Needs no Lightning, so that a plan is quick. Nothing is drawn, and nothing of a file is executed.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from normfree.config import Resolved, UserError
from normfree.config.networks import usual_of
from normfree.config.own_model import OPTIONS
from normfree.config.parts import MODEL
from normfree.config.sources.reading import remembered
from normfree.config.weights import Source, contents_of, source_of
from normfree.nets import read_weights
from normfree.nets.weights import not_finite
from normfree.train.parts.frozen import head_names
from normfree.train.parts.network import build_network, described
from normfree.train.parts.own_network import on_meta

_REGULARIZERS = ("drop_rate", "stochastic_depth_rate")
_NAMED = 3
_SHOWN = 12


def check_weights(resolved: Resolved) -> None:
    """Whether the weights fit the network; asked once for each file and kind of network.

    Raises:
        UserError: they do not; says which key is to be another.
    """
    model = resolved.config.model
    if model.weights is None:
        return

    def looked() -> None:
        source = source_of(resolved.config)
        _refuse_other_network(resolved, source)
        network = on_meta(lambda: build_network(resolved))
        _fitting(resolved, network, _read(resolved, network, source.file))

    remembered(("weights fit", described(resolved), model.weights_sha256, model.head), looked)


def give_weights(network: nn.Module, resolved: Resolved) -> None:
    """Put the weights of ``model.weights`` into the network, in its type and on its device; a new classifier stays
    as it is.

    Raises:
        UserError: they do not fit, cannot be read, or are others than those the run was planned with.
    """
    model = resolved.config.model
    if model.weights is None:
        return
    file = source_of(resolved.config).file
    try:
        found = contents_of(file, model.weights_kind).digest
    except (OSError, ValueError) as error:
        raise UserError(f"model.weights={model.weights}: {file} cannot be read ({error})") from error
    if found != model.weights_sha256:
        raise UserError(
            f"model.weights={model.weights}: {file} has other weights than when the run was planned (sha256 "
            f"{str(model.weights_sha256)[:_SHOWN]}, now {found[:_SHOWN]}); start it again with these, or restore those"
        )
    wanted = network.state_dict()
    with torch.no_grad():
        for name, value in _fitting(resolved, network, _read(resolved, network, file)).items():
            wanted[name].copy_(value)


def _refuse_other_network(resolved: Resolved, source: Source) -> None:
    """Of weights whose run is known: whether it has this network, also where the shapes of its weights are alike."""
    model, theirs = resolved.config.model, source.model
    if not theirs or MODEL.is_custom(resolved.config):
        return
    said = f"the weights of {model.weights} are of a run of"
    if theirs.get("name") != model.name:
        raise UserError(f"model={model.name}: {said} model={theirs.get('name')}; give that, or other weights")
    usual = usual_of(model.name)
    for key in OPTIONS:
        here, there = (usual.get(key) if each is None else each for each in (getattr(model, key), theirs.get(key)))
        if here != there and key not in _REGULARIZERS:
            raise UserError(
                f"model.{key}={here}: {said} model.{key}={there}; give model.{key}={there}, or other weights".replace(
                    "None", "null"
                )
            )


def _read(resolved: Resolved, network: nn.Module, file: Path) -> dict[str, Tensor]:
    model = resolved.config.model
    try:
        return read_weights(file, model.weights_kind, getattr(network, "library", None))[0]
    except (OSError, ValueError) as error:
        reason = str(error).removeprefix(f"{file}: ")
        raise UserError(f"model.weights={model.weights}: {file} cannot be read ({reason})") from error


def _fitting(resolved: Resolved, network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The part of the weights that the network takes.

    Raises:
        UserError: there is a part that does not fit.
    """
    config, model = resolved.config, resolved.config.model
    wanted, head = network.state_dict(), head_names(network)
    new = model.head == "new"
    if new and not head:
        raise UserError(
            f"model.head=new: which layer of {model.name} is its classifier is not known; call it `classifier`"
        )
    taken = {name: value for name, value in state.items() if not (new and name in head)}
    missing = [name for name in wanted if name not in taken and not (new and name in head)]
    extra = [name for name in taken if name not in wanted]
    other = [name for name in wanted if name in taken and taken[name].shape != wanted[name].shape]
    said = f"model.weights={model.weights}"
    if not missing and not extra and not other:
        if name := not_finite(taken):
            raise UserError(
                f"{said}: {name[:120]} has numbers that are not finite, as after a divergence; give other weights"
            )
        return taken
    if not missing and not extra and set(other) <= head:
        there, here = len(taken[other[0]]), config.data.classes
        raise UserError(
            f"model.head=keep: the classifier of {said} is for {there} classes and data={config.data.name} has {here}; "
            "leave model.head out, or give model.head=new"
        )
    if not missing and not extra and (channels := _channels(taken, wanted, other)):
        raise UserError(
            f"data.channels={channels[1]}: {said} was trained on images of {channels[0]} channels; choose a data set "
            f"with {channels[0]}, or other weights"
        )
    shapes = [f"{name} {list(taken[name].shape)} for {list(wanted[name].shape)}" for name in other]
    kinds = ((missing, "missing"), (extra, "left over"), (shapes, "of another shape"))
    why = "; ".join(f"{len(each)} {what} ({_few(each)})" for each, what in kinds if each)
    raise UserError(
        f"{said}: does not fit {_called(resolved)}: {why}; give the model and the widths that they were trained with, "
        "or other weights"
    )


def _channels(taken: Mapping[str, Tensor], wanted: Mapping[str, Tensor], other: list[str]) -> tuple[int, int] | None:
    """Of the weights and of the network, where the channels of images are all that differs."""
    if len(other) != 1 or other[0] != next(name for name in wanted if wanted[name].ndim == 4):
        return None
    there, here = taken[other[0]].shape, wanted[other[0]].shape
    alike = len(there) == len(here) == 4 and there[:1] + there[2:] == here[:1] + here[2:]
    return (there[1], here[1]) if alike else None


def _called(resolved: Resolved) -> str:
    model = resolved.config.model
    return f"model={'custom' if MODEL.is_custom(resolved.config) else model.name}"


def _few(names: list[str]) -> str:
    return ", ".join(name[:120] for name in names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
