"""Live streams."""

import numpy as np
import pytest
import torch
from common import near

import wgpu_rnn
from wgpu_rnn import GRU, LSTM


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_streams_are_one_call(device):
    gru = GRU(7, 5, num_layers=2, device=device)
    one, other = numbers(21, 7), numbers(9, 7, seed=1)
    streams = wgpu_rnn.Streams(gru, 2)
    first, second = streams.join(), streams.join()
    with pytest.raises(RuntimeError, match="at most 2 live streams"):
        streams.join()
    outputs = {first: [], second: []}
    for start in (0, 3, 6):
        steps = [(first, one[start : start + 3]), (second, other[start : start + 3])]
        for (stream, _), output in zip(steps, streams.call(steps)):
            outputs[stream].append(output)
    kept = streams.save(first)
    streams.leave(first)
    with pytest.raises(RuntimeError, match="has left"):
        streams.call([(first, one[9:10])])
    again = streams.join()
    streams.load(again, kept)
    outputs[first].append(streams.call([(again, torch.from_numpy(one[9:21]))])[0].numpy())
    near(np.concatenate(outputs[first]), gru(one)[0], 1e-6)
    near(np.concatenate(outputs[second]), gru(other)[0], 1e-6)
    with pytest.raises(ValueError, match="1 to 16"):
        streams.call([(second, numbers(17, 7))])
    with pytest.raises(ValueError, match="each stream once"):
        streams.call([(second, one[:1]), (second, one[:1])])
    streams.reset(second)
    near(streams.call([(second, other[:9])])[0], gru(other)[0], 1e-6)
    lstm = wgpu_rnn.Streams(LSTM(7, 5, device=device), 1)
    stream = lstm.join()
    lstm.call([(stream, one[:2])])
    h, c = lstm.save(stream)
    assert h.shape == c.shape == (1, 1, 5)
    lstm.load(stream, (h, c))
