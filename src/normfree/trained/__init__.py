"""A network after its training, with what images go through before it: what evaluates, predicts and exports."""

from normfree.trained.network import Trained
from normfree.trained.of_file import from_file
from normfree.trained.of_onnx import OnnxTrained, from_onnx
from normfree.trained.of_run import from_run
from normfree.trained.preprocessing import Preprocessing

__all__ = ["OnnxTrained", "Preprocessing", "Trained", "from_file", "from_onnx", "from_run"]
