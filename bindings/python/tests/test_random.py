"""A hundred random networks and calls, forward and backward, against PyTorch in f64."""

import os

import numpy as np
import pytest
import torch
from common import THEIRS, near

import wgpu_rnn.torch as ours

KINDS = {"lstm": ours.LSTM, "gru": ours.GRU, "rnn": ours.RNN}
CASES = int(os.environ.get("WGPU_RNN_CASES", "100"))
SEED = int(os.environ.get("WGPU_RNN_SEED", "0"))


@pytest.mark.parametrize("case", range(CASES))
def test_anything(case, device):
    random = np.random.default_rng([SEED, case])
    kind = str(random.choice(list(KINDS)))
    hidden = int(random.integers(2, 40))
    sizes = dict(
        input_size=int(random.integers(1, 30)),
        hidden_size=hidden,
        num_layers=int(random.integers(1, 4)),
        bias=bool(random.random() < 0.8),
        batch_first=bool(random.random() < 0.5),
        bidirectional=bool(random.random() < 0.5),
    )
    if kind == "lstm" and random.random() < 0.3:
        sizes["proj_size"] = int(random.integers(1, hidden))
    if kind == "rnn":
        sizes["nonlinearity"] = str(random.choice(["tanh", "relu"]))
    steps, batch = (int(random.integers(1, 12)), int(random.integers(1, 8)))
    is_one = random.random() < 0.15
    has_state = random.random() < 0.5
    # Every case in f32 by the engine, and a fifth of them in f64 by the reference.
    dtype, bound = (torch.float64, 1e-11) if case % 5 == 0 else (torch.float32, 3e-5)
    torch.manual_seed(case)
    mine = KINDS[kind](**sizes, device=device).to(dtype)
    theirs = THEIRS[kind](**sizes).double()
    theirs.load_state_dict(mine.state_dict())
    shape = (steps, batch, sizes["input_size"])
    shape = (shape[1], shape[0], shape[2]) if sizes["batch_first"] else shape
    shape = (steps, sizes["input_size"]) if is_one else shape
    slots = sizes["num_layers"] * (2 if sizes["bidirectional"] else 1)
    rows = () if is_one else (batch,)
    x = torch.randn(*shape)
    hx = [torch.randn(slots, *rows, sizes.get("proj_size") or hidden), torch.randn(slots, *rows, hidden)]
    hx = hx if kind == "lstm" else hx[:1]
    by = None
    results = []
    for module, own in ((mine, dtype), (theirs, torch.float64)):
        leaf = x.clone().to(own).requires_grad_()
        parts = [part.clone().to(own).requires_grad_() for part in hx]
        state = (tuple(parts) if kind == "lstm" else parts[0]) if has_state else None
        output, hn = module(leaf, state)
        found = [output, *(hn if kind == "lstm" else [hn])]
        by = by or [torch.randn(tensor.shape) for tensor in found]
        sum((tensor * weight.to(own)).sum() for tensor, weight in zip(found, by)).backward()
        gradients = [leaf.grad, *([part.grad for part in parts] if has_state else [])]
        results.append([*found, *gradients, *[parameter.grad for parameter in module.parameters()]])
    for place, (one, other) in enumerate(zip(*results)):
        near(one, other, bound, f"case {case}: {kind} {sizes}, array {place}")
