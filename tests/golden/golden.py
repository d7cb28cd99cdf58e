"""What the golden scripts share: random numbers and the file format.

Tensors are named CASE/NAME: weights under PyTorch's names (f32), input, h0 and c0 (f32), lengths or batch_sizes (i64), and what
the framework computed: output, output_reverse, cell_states, h_n, c_n. The metadata holds CASE = settings as JSON, named as
in src/network/config.rs.
"""

import json

import numpy
from safetensors.numpy import save_file

T, N, I, H, P = 5, 3, 7, 13, 5
LENGTHS = numpy.array([2, 5, 3], numpy.int64)


class Random:
    def __init__(self, seed):
        self.state = numpy.random.RandomState(seed)

    def __call__(self, *shape, scale=1.0):
        return self.state.uniform(-scale, scale, shape).astype(numpy.float32)


def blocks(matrix, order, axis=0):
    """The gates' blocks along an axis, in another order."""
    parts = numpy.split(numpy.asarray(matrix), len(order), axis)
    return numpy.ascontiguousarray(numpy.concatenate([parts[index] for index in order], axis))


def save(path, cases, **versions):
    tensors = {
        f"{name}/{key}": numpy.ascontiguousarray(value)
        for name, (_, found) in cases.items() for key, value in found.items()
    }
    metadata = {name: json.dumps(settings, sort_keys=True) for name, (settings, _) in cases.items()}
    save_file(tensors, path, dict(versions, **metadata))
    print(path, len(cases), "cases")
