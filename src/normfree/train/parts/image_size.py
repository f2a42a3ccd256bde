"""Images too small for a network are refused before anything is trained."""

from normfree.config import Resolved, UserError
from normfree.nets import list_models, model_info
from normfree.train.parts.network import least_image_size


def check_image_size(resolved: Resolved) -> None:
    """Compares the run's image sizes with the network's total stride; that of another library's is its own affair.

    Raises:
        UserError: the network cannot be built, or halves its maps more often than the images allow.
    """
    least = least_image_size(resolved)
    if least is None:
        return
    model, data = resolved.config.model, resolved.config.data
    for key, size in (("train_size", data.train_size), ("test_size", data.test_size)):
        if size < least:
            raise UserError(
                f"data.{key}={size}: {model.name} reduces its maps {least}-fold and needs images of {least} px or "
                f"more; use data.{key}={least}, fewer stages, or a small network such as model={_smaller(model.name)}"
            )


def _smaller(name: str) -> str:
    """The network for the smallest images with the same normaliser, of the same family if that has one."""
    info = model_info(name)

    def distance(other: str) -> tuple[int, bool, str]:
        return model_info(other).train_size, model_info(other).family != info.family, other

    return min((other for other in list_models() if model_info(other).normalizer == info.normalizer), key=distance)
