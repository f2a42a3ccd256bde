"""What the clippers use, and what they are refused."""

from normfree.config.errors import UserError
from normfree.config.schema import ClipConfig

CLIP_KEYS = {
    "none": (),
    "norm": ("max_norm",),
    "agc": ("clip_factor", "eps", "eps_scope", "unit", "scope"),
    "zclip": ("z_threshold", "decay", "warmup_steps", "max_norm"),
    "adagc": ("max_ratio", "decay", "warmup_steps", "max_norm"),
    "autoclip": ("percentile",),
    "per_tensor": ("max_norm",),
    "custom": (),
}
"""What each kind of clipping uses; of the user's own, see `normfree.config.parts`."""

_MAY_BE_NULL = {"zclip": ("max_norm",)}


def check_clip_keys(clip: ClipConfig) -> None:
    """Keys of a clipper and relations between them.

    Raises:
        UserError: for the first thing that is wrong.
    """
    for key in CLIP_KEYS[clip.name]:
        if getattr(clip, key) is None and key not in _MAY_BE_NULL.get(clip.name, ()):
            raise UserError(f"clip.{key}=null: clip={clip.name} needs a value")
    if clip.stages is None:
        return
    listed = "[" + ",".join(clip.stages) + "]"
    if clip.name != "agc":
        raise UserError(f"clip.stages={listed}: for clip=agc alone; leave it out with clip={clip.name}")
    for stage in clip.stages or ("",):
        if stage not in ("stem", "head") and not stage.isdigit():
            raise UserError(f"clip.stages={listed}: choose from stem, head and numbers of stages, from 0")
