"""What several tests share: PyTorch's module with the weights of ours, how near results are, processes."""

import subprocess
import sys
import textwrap

import numpy as np
import torch

import wgpu_rnn

OURS = {"lstm": wgpu_rnn.LSTM, "gru": wgpu_rnn.GRU, "rnn": wgpu_rnn.RNN}
THEIRS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}


def theirs(kind, ours, sizes):
    """PyTorch's module in f64, with the weights of ours."""
    module = THEIRS[kind](**sizes).double()
    module.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in ours.state_dict().items()})
    return module


def near(found, expected, bound, what=""):
    """Both are finite, of one shape, and no further apart than the bound, of the largest number from 1 on."""
    found, expected = (
        value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        for value in (found, expected)
    )
    assert found.shape == expected.shape, f"{what}: {found.shape}, not {expected.shape}"
    assert np.isfinite(found).all(), what
    if found.size:
        scale = max(1.0, float(np.abs(expected).max()))
        difference = float(np.abs(found - expected).max())
        assert difference <= bound * scale, f"{what}: {difference} apart, of {scale}"


def in_process(program, timeout=120):
    """Run a program in an interpreter of its own, and give what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]
