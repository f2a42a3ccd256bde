"""Networks of other libraries behind this package's face. The libraries are imported when a network is built."""

from normfree.nets.peers import efficientnet as efficientnet
from normfree.nets.peers import timm_network as timm_network
