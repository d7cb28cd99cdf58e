"""A trainer, and the same network and head of PyTorch in f64, as the oracle of every training rule."""

import numpy as np
import torch
from common import THEIRS
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from wgpu_rnn import Head, Trainer


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Twin:
    """Trainer and oracle, with the trainer's first weights."""

    def __init__(self, net, reads, outputs, loss, optimizer, **rest):
        self.reads = reads
        self.trainer = Trainer(net, Head(reads, outputs, seed=1), loss, optimizer, **rest)
        sizes = {"num_layers": net.num_layers, "bidirectional": net.bidirectional}
        self.module = THEIRS[net.settings["cell"]](net.input_size, net.hidden_size, **sizes).double()
        self.head = torch.nn.Linear(net.output_size, outputs).double()
        state = {name: torch.from_numpy(array) for name, array in self.trainer.state_dict().items()}
        self.head.weight.data.copy_(state.pop("head.weight"))
        self.head.bias.data.copy_(state.pop("head.bias"))
        self.module.load_state_dict(state)

    def parameters(self):
        """The oracle's parameters by the trainer's names."""
        named = dict(self.module.named_parameters())
        return {**named, "head.weight": self.head.weight, "head.bias": self.head.bias}

    def predict(self, x, lengths=None):
        """Predictions [T, N, C] of the oracle; T is 1 for one prediction of each sequence."""
        x = torch.from_numpy(x).double()
        lengths = torch.tensor([x.shape[0]] * x.shape[1] if lengths is None else list(lengths))
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, hx = self.module(packed)
        output, _ = pad_packed_sequence(output, total_length=x.shape[0])
        if self.reads == "last_states":
            h_n = hx[0] if isinstance(hx, tuple) else hx
            directions = 2 if self.module.bidirectional else 1
            read = torch.cat(list(h_n[-directions:]), 1)[None]
        elif self.reads == "every_step":
            read = output
        else:
            past = torch.arange(x.shape[0])[:, None, None] >= lengths[None, :, None]
            if self.reads == "mean":
                read = output.masked_fill(past, 0).sum(0, keepdim=True) / lengths[None, :, None]
            else:
                read = output.masked_fill(past, -np.inf).max(0, keepdim=True).values
        return self.head(read)
