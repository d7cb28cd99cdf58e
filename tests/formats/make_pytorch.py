"""Makes data/pytorch_*: files that PyTorch writes, and data/pytorch.safetensors, the input and output of each
network, computed by PyTorch in double precision from the numbers that the file has.

    python3 -m venv venv && venv/bin/pip install -r ../golden/requirements.txt && venv/bin/python make_pytorch.py
"""

import collections
import json
import os
import pickle

import numpy
import torch
from safetensors.torch import save_file
from torch import nn

T, N, I, H = 4, 2, 3, 5
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
cases, arrays = {}, {}
torch.manual_seed(11)


def path(name):
    return os.path.join(DATA, name)


def case(name, layer, **settings):
    """Keeps what a network of a file computes. Settings: file, prefix, activation."""
    layer = layer.double()
    input = torch.rand(T, N, I, dtype=torch.float64) * 2 - 1
    if isinstance(layer, (nn.LSTMCell, nn.GRUCell, nn.RNNCell)):
        state, steps = None, []
        for step in input:
            state = layer(step, state)
            steps.append(state[0] if isinstance(state, tuple) else state)
        output = torch.stack(steps)
    else:
        output = layer(input)[0]
    cases[name] = settings
    arrays[f"{name}.input"] = input.float()
    arrays[f"{name}.output"] = output.detach().float()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({
            "lstm": nn.LSTM(I, H, num_layers=2, bidirectional=True),
            "lstm_cell": nn.LSTMCell(I, H),
        })
        self.gru = nn.GRU(I, H, bias=False)
        self.rnn_cell = nn.RNNCell(I, H, nonlinearity="relu")
        self.gru_cell = nn.GRUCell(I, H)
        self.projected = nn.LSTM(I, H, proj_size=2, bidirectional=True)
        self.head = nn.Linear(H, 2)

    def cases(self, label, file, before=""):
        case(f"{label}_lstm", self.encoder["lstm"], file=file, prefix=f"{before}encoder.lstm")
        case(f"{label}_lstm_cell", self.encoder["lstm_cell"], file=file, prefix="lstm_cell.")
        case(f"{label}_gru", self.gru, file=file, prefix=f"{before}gru")
        case(f"{label}_rnn_cell", self.rnn_cell, file=file, prefix="rnn_cell", activation="relu")
        case(f"{label}_gru_cell", self.gru_cell, file=file, prefix="gru_cell")
        case(f"{label}_projected", self.projected, file=file, prefix="projected")


def models():
    model = Model()
    save_file(model.state_dict(), path("pytorch_model.safetensors"))
    torch.save(model.state_dict(), path("pytorch_state.pt"))
    torch.save(model.state_dict(), path("pytorch_old.pt"), _use_new_zipfile_serialization=False)
    optimizer = torch.optim.Adam(model.parameters())
    checkpoint = {
        "epoch": 3, "loss": 0.25, "done": False, "names": ["a", "b"], "sizes": (1, 2),
        "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(),
        "shape": torch.Size([1, 2]), "dtype": torch.float32, "device": torch.device("cpu"),
        "long": 1 << 80, "none": None,
    }
    torch.save(checkpoint, path("pytorch_checkpoint.pth"))
    model.cases("model", "pytorch_model.safetensors")
    model.cases("state", "pytorch_state.pt")
    model.cases("old", "pytorch_old.pt")
    model.cases("checkpoint", "pytorch_checkpoint.pth", "model_state_dict.")


def types():
    for name, dtype in [("f16", torch.float16), ("bf16", torch.bfloat16), ("f64", torch.float64)]:
        layer = nn.GRU(I, H).to(dtype)
        save_file(layer.state_dict(), path(f"pytorch_{name}.safetensors"))
        torch.save(layer.state_dict(), path(f"pytorch_{name}.pt"))
        case(f"{name}_safetensors", layer, file=f"pytorch_{name}.safetensors")
        layer.to(dtype)
        case(f"{name}_pt", layer, file=f"pytorch_{name}.pt")


def views():
    """Tensors that are parts of others, transposed, with gaps, and of types that storages do not have."""
    layer = nn.LSTM(I, H)
    state = layer.state_dict()
    large = torch.rand(7, 4 * H * 2)
    large[2, ::2] = state["bias_ih_l0"]
    own = collections.OrderedDict(state)
    own["bias_ih_l0"] = large[2, ::2]
    own["weight_ih_l0"] = state["weight_ih_l0"].t().contiguous().t()
    own["other"] = torch.tensor([1, 2, 3]).to(torch.uint16)
    own["flags"] = torch.tensor([True, False])
    own["complex"] = torch.zeros(2, dtype=torch.complex64)
    own["parameter"] = nn.Parameter(torch.zeros(2))
    torch.save(own, path("pytorch_views.pt"))
    case("views", layer, file="pytorch_views.pt")


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(I, H, bidirectional=True)
        self.sizes = [1, 2, 3]

    def forward(self, x: torch.Tensor):
        return self.lstm(x)[0]


class Command:
    def __reduce__(self):
        return (os.system, ("true",))


def others():
    model = Scripted()
    torch.jit.script(model).save(path("pytorch_script.pt"))
    case("script", model.lstm, file="pytorch_script.pt", prefix="lstm")
    torch.save(nn.GRU(I, H), path("pytorch_module.pt"))
    torch.save({"lstm": nn.GRU(I, H).state_dict(), "args": Command()}, path("pytorch_command.pt"))
    with open(path("pytorch_plain.pkl"), "wb") as file:
        pickle.dump({"weight_ih_l0": [1, 2]}, file)
    layer = nn.LSTM(I, H, bidirectional=True)
    state = {f"lstm.{name}": tensor.numpy() for name, tensor in layer.state_dict().items()}
    state["lstm.weight_ih_l0"] = numpy.asfortranarray(state["lstm.weight_ih_l0"])
    for protocol in (2, 4, 5):
        # Values beside the arrays are passed over.
        others = {"loss": numpy.float64(0.5), "seen": {1, 2}, "counts": collections.Counter("abb"), "rng": numpy.arange(3)}
        name = "numpy" if protocol == 4 else f"numpy_{protocol}"
        with open(path(f"pytorch_{name}.pkl"), "wb") as file:
            pickle.dump({**state, **others}, file, protocol=protocol)
        case(name, layer, file=f"pytorch_{name}.pkl")
    # The format of before PyTorch 1.6 by a newer protocol, whose pickles come in frames.
    torch.save(layer.state_dict(), path("pytorch_old_4.pt"), _use_new_zipfile_serialization=False, pickle_protocol=4)
    case("old_4", layer, file="pytorch_old_4.pt")


def small():
    """Files whose every bit is changed in a test."""
    state = nn.GRU(1, 2).state_dict()
    torch.save(state, path("pytorch_small_old.pt"), _use_new_zipfile_serialization=False)
    numpy.savez_compressed(path("deflated.npz"), **{name: tensor.numpy() for name, tensor in state.items()})


models()
types()
small()
views()
others()
save_file({name: array.contiguous() for name, array in arrays.items()}, path("pytorch.safetensors"),
          {"cases": json.dumps(cases), "torch": torch.__version__})
