"""The networks: BatchNorm ResNets, NF-ResNets and NFNets behind one face. Needs torch alone."""

from normfree.nets.batch_norm import GhostBatchNorm2d, localise, norm_batch, synchronise
from normfree.nets.classifier_network import ClassifierNetwork
from normfree.nets.cost import count_macs, count_parameters, estimate_activation_bytes
from normfree.nets.fold import fold
from normfree.nets.image_size import minimum_image_size
from normfree.nets.normalizers import list_normalizers
from normfree.nets.registry import ModelInfo, create_model, list_models, model_info, model_options
from normfree.nets.residual import skip_gains
from normfree.nets.sample_noise import sample_noise
from normfree.nets.weight_standardization import WSConv2d
from normfree.nets.weights import load_weights, read_weights, save_weights

__all__ = [
    "ClassifierNetwork",
    "GhostBatchNorm2d",
    "ModelInfo",
    "WSConv2d",
    "count_macs",
    "count_parameters",
    "create_model",
    "estimate_activation_bytes",
    "fold",
    "list_models",
    "list_normalizers",
    "load_weights",
    "localise",
    "minimum_image_size",
    "model_info",
    "model_options",
    "norm_batch",
    "read_weights",
    "sample_noise",
    "save_weights",
    "skip_gains",
    "synchronise",
]
