"""Fetches packages with recurrent models from PyPI, and compares what their layers compute in their own package's
framework with what this library computes from the same files.

    cargo build --release --examples
    venv/bin/python real_models.py ../../target/release/examples
"""

import os
import subprocess
import sys
import tempfile
import zipfile

import numpy
import torch
from safetensors.torch import load_file, save_file
from torch import nn

T, N = 40, 3
PACKAGES = ["silero-vad==6.2.3", "arabic-diacritizer==1.0.0", "g2pM==0.1.2.5"]
TOLERANCE = 1e-5
torch.manual_seed(3)


def unpacked(folder):
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, *PACKAGES], check=True)
    for name in os.listdir(folder):
        if name.endswith(".whl"):
            zipfile.ZipFile(os.path.join(folder, name)).extractall(folder)


def ours(examples, folder, weights, input, *options):
    x, y = os.path.join(folder, "x.safetensors"), os.path.join(folder, "y.safetensors")
    save_file({"input": input.contiguous()}, x)
    subprocess.run([os.path.join(examples, "infer"), "--device", "cpu", "--weights", weights, "--input", x, "--output", y,
                    *options], check=True, stdout=subprocess.DEVNULL)
    return load_file(y)["output"]


def silero(folder):
    """The cell, step by step."""
    file = os.path.join(folder, "silero_vad/data/silero_vad_16k.safetensors")
    state = {name.removeprefix("lstm_cell."): array for name, array in load_file(file).items() if "lstm_cell" in name}
    cell = nn.LSTMCell(128, 128)
    cell.load_state_dict(state)
    input, state, steps = torch.randn(T, N, 128), None, []
    for step in input:
        state = cell(step, state)
        steps.append(state[0])
    return file, input, torch.stack(steps)


def diacritizer(folder):
    """Three bidirectional layers of a tagger."""
    file = os.path.join(folder, "diacritize/assets/bilstm_best.pt")
    state = torch.load(file, weights_only=True, map_location="cpu")
    state = state.get("model_state_dict", state)
    lstm = nn.LSTM(128, 256, num_layers=3, bidirectional=True)
    lstm.load_state_dict({name.removeprefix("lstm."): array for name, array in state.items() if name.startswith("lstm.")})
    # What the layer gets: rows of the embedding. The framework in double precision judges.
    input = state["embedding.weight"][torch.randint(54, (T, N))]
    return file, input, lstm.double()(input.double())[0]


def g2pm(folder):
    """A bidirectional layer, by the package's own code in NumPy: batch first, one sequence at a time."""
    file = os.path.join(folder, "g2pM/np_ckpt.pkl")
    sys.path.insert(0, folder)
    from g2pM import G2pM

    package = G2pM()
    input = package.embeddings[numpy.random.RandomState(4).randint(len(package.embeddings), size=(1, T))]
    forward = package.fw_lstm_cell, package.bw_lstm_cell
    states, outputs = [None, None], [[], []]
    for step in range(T):
        for side, cell in enumerate(forward):
            at = step if side == 0 else T - 1 - step
            states[side] = cell(input[:, at, :], states[side])
            outputs[side].append(states[side][0])
    both = numpy.concatenate([numpy.stack(outputs[0]), numpy.stack(outputs[1][::-1])], axis=-1)
    return file, torch.from_numpy(input).transpose(0, 1), torch.from_numpy(both)


with tempfile.TemporaryDirectory() as folder:
    unpacked(folder)
    for model in (silero, diacritizer, g2pm):
        file, input, theirs = model(folder)
        difference = (ours(sys.argv[1], folder, file, input) - theirs.detach()).abs().max().item()
        print(f"{model.__name__}: {difference:.1e} from {list(theirs.shape)} numbers of {os.path.basename(file)}")
        assert difference <= TOLERANCE
