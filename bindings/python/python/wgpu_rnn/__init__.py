"""Recurrent networks (RNN, LSTM, GRU) on every GPU that wgpu reaches, and on the CPU.

>>> import numpy as np
>>> from wgpu_rnn import LSTM
>>> lstm = LSTM(20, 100, num_layers=3, bidirectional=True)
>>> output, (h_n, c_n) = lstm(np.ones((5, 3, 20), np.float32))
>>> output.shape, h_n.shape
((5, 3, 200), (6, 3, 100))

Shapes are written with letters: T time steps, N sequences, I features of the input, H units, P projected
units, D directions, L layers. Errors are ``ValueError``, ``MemoryError`` or ``RuntimeError`` with a sentence
that names the thing, what was expected and what was found; the variant of the Rust library's error is their
``code``.

``wgpu_rnn.torch`` has the same networks as modules of PyTorch, with gradients.
"""

from ._wgpu_rnn import Report, Stream
from .layers import GRU, LSTM, RNN, Stack, engine_name, load
from .network import Network
from .results import Gradients, Output, SavedCall
from .rules import Clip, Head, Loss, Optimizer, Schedule
from .streams import Streams
from .training import Batch, Dataset, Loader, LossValue, Trainer

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Batch",
    "Clip",
    "Dataset",
    "Gradients",
    "Head",
    "Loader",
    "Loss",
    "LossValue",
    "Network",
    "Optimizer",
    "Output",
    "Report",
    "SavedCall",
    "Schedule",
    "Stack",
    "Stream",
    "Streams",
    "Trainer",
    "engine_name",
    "load",
]
__version__ = "0.1.0"
