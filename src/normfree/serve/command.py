"""What `predict.py` does once it knows its keys."""

from __future__ import annotations

from normfree.config import UserError
from normfree.serve.keys import Prediction
from normfree.serve.sources import Browser, Images, Webcam, source_of


def predict(keys: Prediction) -> None:
    """Predict, until the source ends.

    Raises:
        UserError: what was asked for cannot be done.
    """
    source = source_of(keys.source)
    if isinstance(source, Browser | Webcam) and keys.out:
        raise UserError(f"out={keys.out}: source={keys.source} is shown and not written; leave it out")
    if isinstance(source, Browser):
        from normfree.serve.browser.serving import serve

        serve(keys)
    elif isinstance(source, Webcam):
        from normfree.serve.webcam import show

        show(source, keys)
    elif isinstance(source, Images):
        from normfree.serve.images import predict_images

        predict_images(source, keys)
    else:
        from normfree.serve.video import predict_video

        predict_video(source, keys)
