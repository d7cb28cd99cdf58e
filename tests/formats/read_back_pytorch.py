"""Reads files that this library has written back by PyTorch, and compares what their networks compute.

    cargo build --release --example convert
    venv/bin/python read_back_pytorch.py ../../target/release/examples/convert
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn_relu": nn.RNN, "rnn_tanh": nn.RNN}


def layer_of(state, cells):
    layers = 1 + max(int(name.split("_l")[1].split("_")[0]) for name in state)
    cell = cells.split(",")[0]
    rows, hidden = state["weight_hh_l0"].shape[0], state["weight_hh_l0"].shape[0] // {"lstm": 4, "gru": 3}.get(cell, 1)
    settings = {"num_layers": layers, "bidirectional": "weight_ih_l0_reverse" in state, "bias": "bias_ih_l0" in state}
    if "weight_hr_l0" in state:
        settings["proj_size"] = state["weight_hr_l0"].shape[0]
    if cell.startswith("rnn"):
        settings["nonlinearity"] = cell.removeprefix("rnn_")
    layer = KINDS[cell](state["weight_ih_l0"].shape[1], hidden, **settings)
    layer.load_state_dict(state)
    return layer


def check(convert, framework, folder):
    count = 0
    with safe_open(os.path.join(DATA, f"{framework}.safetensors"), "pt") as golden:
        cases = json.loads(golden.metadata()["cases"])
        for name, case in cases.items():
            if "config" in case:
                continue
            options = [f"--{key}={case[key]}" for key in ("prefix", "activation") if key in case]
            for ending in ("safetensors", "npz"):
                path = os.path.join(folder, f"x.{ending}")
                subprocess.run([convert, os.path.join(DATA, case["file"]), path, *options], check=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                if ending == "safetensors":
                    state = load_file(path)
                    with safe_open(path, "pt") as file:
                        cells = file.metadata()["cells"]
                else:
                    state = {key: torch.from_numpy(array) for key, array in numpy.load(path).items()}
                output = layer_of(state, cells).double()(golden.get_tensor(f"{name}.input").double())[0]
                difference = (output - golden.get_tensor(f"{name}.output")).abs().max().item()
                assert difference < 2e-6, (name, ending, difference)
                count += 1
    return count


with tempfile.TemporaryDirectory() as folder:
    counts = {framework: check(sys.argv[1], framework, folder) for framework in ("pytorch", "mxnet")}
print("PyTorch", torch.__version__, "reads", counts)
