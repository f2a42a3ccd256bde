"""What of a network is not trained: parameters by their stage, and the statistics of BatchNorm.

Needs no Lightning, so that a plan is quick.
"""

from torch import nn

from normfree.clip import parts_of
from normfree.config import UserError
from normfree.config.finetuning import ALL
from normfree.config.schema import ModelConfig
from normfree.nets import ClassifierNetwork


def frozen(network: ClassifierNetwork, model: ModelConfig) -> ClassifierNetwork:
    """The same network with what ``model.freeze`` and ``model.freeze_norm`` name frozen.

    Frozen parameters require no gradient. Whether BatchNorm's statistics move is told by ``model.freeze_norm`` alone,
    in frozen stages too.

    Raises:
        UserError: the network has no such stages, or nothing would be left to train.
    """
    network.norm_frozen = model.freeze_norm
    network.train(network.training)
    if not model.freeze:
        return network
    listed = "[" + ",".join(model.freeze) + "]"
    names = _all_but_the_classifier(network, listed) if model.freeze == [ALL] else _in_stages(network, model, listed)
    for name, parameter in network.named_parameters():
        if name in names:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UserError(f"model.freeze={listed}: leaves nothing of {model.name} to train; freeze less")
    return network


def head_names(network: nn.Module) -> set[str]:
    """Names of the classifier's parameters; empty for a network that has none that can be told."""
    classifier = getattr(network, "classifier", None)
    held = {id(each) for each in classifier.parameters()} if isinstance(classifier, nn.Module) else set()
    return {name for name, parameter in network.named_parameters() if id(parameter) in held}


def _all_but_the_classifier(network: ClassifierNetwork, listed: str) -> set[str]:
    head = head_names(network)
    if not head:
        raise UserError(
            f"model.freeze={listed}: which layer of the network is its classifier is not known; call it `classifier`"
        )
    return {name for name, _ in network.named_parameters()} - head


def _in_stages(network: ClassifierNetwork, model: ModelConfig, listed: str) -> set[str]:
    try:
        parts = parts_of(network)
    except ValueError as error:
        raise UserError(
            f"model.freeze={listed}: {model.name} has no blocks that know their stage; use model.freeze=[{ALL}]"
        ) from error
    known = sorted({*parts.values()} - {"head"}, key=lambda part: (part != "stem", part))
    wanted = {str(int(stage)) if stage.isdigit() else stage for stage in model.freeze or ()}
    if wanted - set(known):
        raise UserError(f"model.freeze={listed}: the parts of {model.name} are {', '.join(known)}; or give [{ALL}]")
    return {name for name, part in parts.items() if part in wanted}
