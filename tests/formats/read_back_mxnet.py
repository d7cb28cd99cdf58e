"""Reads files that this library has written back by MXNet's Gluon, and compares what their networks compute.

    cargo build --release --example convert
    venv/bin/python read_back_mxnet.py ../../target/release/examples/convert
"""

import json
import os
import subprocess
import sys
import tempfile

import mxnet
from mxnet import gluon, nd
from safetensors import safe_open

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def layer_of(path, activation):
    arrays = nd.load(path)
    layers = 1 + max(int(name.split(".")[1]) for name in arrays)
    both = any("r_cell" in name for name in arrays)
    first = "_unfused.0.l_cell." if both else "_unfused.0."
    rows, hidden = arrays[first + "h2h_weight"].shape
    settings = {"num_layers": layers, "bidirectional": both, "input_size": arrays[first + "i2h_weight"].shape[1]}
    kind = {4: gluon.rnn.LSTM, 3: gluon.rnn.GRU, 1: gluon.rnn.RNN}[rows // hidden]
    if kind is gluon.rnn.RNN:
        settings["activation"] = activation
    layer = kind(hidden, **settings)
    layer.load_parameters(path)
    return layer


def check(convert, framework, folder):
    count = 0
    with safe_open(os.path.join(DATA, f"{framework}.safetensors"), "np") as golden:
        cases = json.loads(golden.metadata()["cases"])
        for name, case in cases.items():
            # Gluon's layers compute projections on CUDA alone, have biases, and no name for a tenth layer.
            if "config" in case or "project" in name or name.endswith("_gru") and name != "nested_gru" or name == "deep":
                continue
            options = [f"--{key}={case[key]}" for key in ("prefix", "activation") if key in case]
            path = os.path.join(folder, "x.params")
            subprocess.run([convert, os.path.join(DATA, case["file"]), path, *options], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            output = layer_of(path, case.get("activation"))(nd.array(golden.get_tensor(f"{name}.input")))
            difference = abs(output.asnumpy() - golden.get_tensor(f"{name}.output")).max()
            assert difference < 2e-6, (name, difference)
            count += 1
    return count


with tempfile.TemporaryDirectory() as folder:
    counts = {framework: check(sys.argv[1], framework, folder) for framework in ("pytorch", "mxnet")}
print("MXNet", mxnet.__version__, "reads", counts)
