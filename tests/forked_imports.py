"""What tools and benchmarks import: loaded once, for the processes of tests.forked."""

import laspy  # noqa: F401
import lightning_fabric  # noqa: F401
import matplotlib.pyplot  # noqa: F401
import PIL.Image  # noqa: F401
import scipy.ndimage
import scipy.sparse.csgraph
import scipy.spatial  # noqa: F401
import torch.utils.data  # noqa: F401

import pcseg.api
import pcseg.engine.spread_pass
import pcseg.methods  # noqa: F401
