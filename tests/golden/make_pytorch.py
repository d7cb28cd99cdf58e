"""Makes pytorch.safetensors: what torch.nn computes, in double precision, for weights and inputs in single.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make_pytorch.py

Tensors are named CASE/NAME: every parameter of the module under PyTorch's name (f32), input, h0 and c0 (f32), and
output, h_n and c_n (f64). The metadata holds CASE = the module's settings as JSON.
"""

import json

import torch
from safetensors.torch import save_file

# Sizes are different primes, so that no mixed-up axis goes unnoticed.
SIZES = [(5, 3, 2, 7), (1, 1, 1, 1), (11, 2, 17, 5), (7, 19, 3, 2)]


def case(kind, layers, bidirectional, sizes, bias=True, batch_first=False, state=True):
    steps, batch, features, hidden = sizes
    settings = dict(
        input_size=features, hidden_size=hidden, num_layers=layers,
        bidirectional=bidirectional, bias=bias, batch_first=batch_first,
    )
    base, _, nonlinearity = kind.partition("_")
    if nonlinearity:
        settings["nonlinearity"] = nonlinearity
    module = getattr(torch.nn, base.upper())(**settings)
    with torch.no_grad():
        # Twice PyTorch's own scale: the gates leave their linear range.
        for parameter in module.parameters():
            parameter.mul_(2.0)
    shape = (batch, steps, features) if batch_first else (steps, batch, features)
    slots = layers * (2 if bidirectional else 1)
    tensors = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    tensors["input"] = torch.randn(shape)
    states = []
    if state:
        for name in ["h0", "c0"] if base == "lstm" else ["h0"]:
            tensors[name] = torch.randn(slots, batch, hidden)
            states.append(tensors[name].double())
    given = None if not states else tuple(states) if base == "lstm" else states[0]
    module = module.double()
    with torch.no_grad():
        output, final = module(tensors["input"].double(), given)
    finals = final if base == "lstm" else (final,)
    tensors["output"] = output.contiguous()
    tensors.update(zip(["h_n", "c_n"], (tensor.contiguous() for tensor in finals)))
    return tensors, dict(settings, kind=kind)


def main():
    torch.manual_seed(20180604)
    torch.set_num_threads(1)
    cases = {}
    for kind in ["rnn_relu", "rnn_tanh", "lstm", "gru"]:
        for layers in [1, 2, 3]:
            for bidirectional in [False, True]:
                name = f"{kind}-{layers}{'b' if bidirectional else 'f'}"
                cases[name] = case(kind, layers, bidirectional, SIZES[0])
        for index, sizes in enumerate(SIZES[1:]):
            cases[f"{kind}-size{index}"] = case(kind, 2, index != 0, sizes)
        cases[f"{kind}-zero-state"] = case(kind, 1, True, SIZES[0], state=False)
        cases[f"{kind}-no-bias"] = case(kind, 2, True, SIZES[0], bias=False)
        cases[f"{kind}-batch-first"] = case(kind, 2, True, SIZES[0], batch_first=True)
    tensors = {f"{name}/{key}": value for name, (found, _) in cases.items() for key, value in found.items()}
    metadata = {name: json.dumps(settings, sort_keys=True) for name, (_, settings) in cases.items()}
    metadata["torch"] = torch.__version__
    save_file(tensors, "pytorch.safetensors", metadata)


main()
