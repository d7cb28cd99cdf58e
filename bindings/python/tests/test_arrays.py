"""Arrays that lie in memory in other ways, and arrays that are too large."""

import numpy as np
import pytest

import wgpu_rnn
from wgpu_rnn import LSTM

X = np.random.default_rng(0).standard_normal((5, 3, 4)).astype(np.float32)


def test_arrays_of_every_layout(device):
    lstm = LSTM(4, 6, device=device)
    expected, (h_n, c_n) = lstm(X)
    wide = np.zeros((5, 3, 8), np.float32)
    wide[..., ::2] = X
    backwards = np.ascontiguousarray(X[::-1])[::-1]
    frozen = X.copy()
    frozen.flags.writeable = False
    for x in (np.asfortranarray(X), wide[..., ::2], backwards, frozen):
        assert np.array_equal(lstm(x)[0], expected)
    h, c = np.asfortranarray(h_n), np.asfortranarray(c_n)
    assert np.array_equal(lstm(X, (h, c))[0], lstm(X, (h_n, c_n))[0])


def test_numbers_between_their_places_are_refused():
    lstm = LSTM(4, 6, device="cpu")
    shifted = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view("f4").reshape(X.shape)
    records = np.zeros((5, 3, 4), [("flag", "u1"), ("number", "f4")])
    records["number"] = X
    for x in (shifted, records["number"]):
        with pytest.raises(ValueError, match=r"input: expected an aligned array"):
            lstm(x)
        assert np.array_equal(lstm(np.array(x))[0], lstm(X)[0])


def test_what_memory_cannot_hold_is_refused():
    lstm = LSTM(3, 4, device="cpu")
    number = np.float32(1)
    long = np.broadcast_to(number, (2**36, 1, 3))
    calls = [
        lambda: lstm(long),
        lambda: lstm(np.ones((2, 1, 3), np.float32), (np.broadcast_to(number, (1, 2**38, 4)),) * 2),
        lambda: lstm.load_state_dict({**lstm.state_dict(), "weight_ih_l0": long[:, 0]}),
        lambda: wgpu_rnn.Dataset([long[:, 0]], [0]),
    ]
    for call in calls:
        with pytest.raises(MemoryError) as found:
            call()
        assert found.value.code in ("Memory", "TooLarge")
    assert np.isfinite(lstm(np.ones((2, 1, 3), np.float32))[0]).all()
