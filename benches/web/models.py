"""Networks of the measures, as ONNX (one LSTM node) and as safetensors with PyTorch's names, with the same numbers.

    python models.py FOLDER      (needs numpy, onnx and safetensors)
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

# Input and hidden size, directions, steps, sequences.
NETWORKS = {
    "bilstm_128": (128, 128, 2, 100, 16),
    "lstm_128": (128, 128, 1, 1, 1),
    "bilstm_64": (64, 64, 2, 50, 16),
}


def gates(array: np.ndarray) -> np.ndarray:
    """PyTorch's gates i, f, g, o along the first axis in ONNX' order i, o, f, c."""
    i, f, g, o = np.split(array, 4)
    return np.concatenate([i, o, f, g])


def make(folder: Path, name: str, sizes: tuple[int, int, int, int, int]) -> None:
    inputs, hidden, directions, steps, batch = sizes
    random = np.random.default_rng(1)
    bound = hidden**-0.5
    arrays, by_direction = {}, []
    for suffix in ["_l0", "_l0_reverse"][:directions]:
        shapes = {"weight_ih": (4 * hidden, inputs), "weight_hh": (4 * hidden, hidden)}
        shapes |= {"bias_ih": (4 * hidden,), "bias_hh": (4 * hidden,)}
        made = {key: random.uniform(-bound, bound, shape).astype(np.float32) for key, shape in shapes.items()}
        arrays |= {key + suffix: array for key, array in made.items()}
        by_direction.append([gates(array) for array in made.values()])
    save_file(arrays, folder / f"{name}.safetensors")

    w, r = (np.stack([arrays[at] for arrays in by_direction]) for at in [0, 1])
    b = np.stack([np.concatenate(arrays[2:]) for arrays in by_direction])
    state = [directions, batch, hidden]
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    # One step alone is a live stream's, with its state carried.
    carried = steps == 1
    node = helper.make_node(
        "LSTM",
        ["X", "W", "R", "B"] + ["", "h", "c"] * carried,
        ["Y", "Y_h", "Y_c"] if carried else ["Y"],
        hidden_size=hidden,
        direction=["forward", "bidirectional"][directions - 1],
    )
    states = lambda *names: [value(name, state) for name in names] * carried
    graph = helper.make_graph(
        [node],
        name,
        [value("X", [steps, batch, inputs])] + states("h", "c"),
        [value("Y", [steps, directions, batch, hidden])] + states("Y_h", "Y_c"),
        [numpy_helper.from_array(array, name) for array, name in [(w, "W"), (r, "R"), (b, "B")]],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, folder / f"{name}.onnx")


folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, sizes in NETWORKS.items():
    make(folder, name, sizes)
