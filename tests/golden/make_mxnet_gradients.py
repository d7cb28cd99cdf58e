"""Makes mxnet_gradients.safetensors: the gradients by MXNet 1.9's autograd on the CPU, in single precision.

Gluon's layers run the operator `RNN`, which has two implementations on the CPU: oneDNN's and MXNet's own
(`-own`). Gluon's cells (`-cells`) are made of small operators and have options that the layers lack there.
The tensors have the names of make_pytorch_gradients.py. PyTorch in double precision agrees with every case to
rounding. The script needs the versions of requirements-mxnet.txt, in this folder:

    python3.10 -m venv venv && venv/bin/pip install -r requirements-mxnet.txt
    venv/bin/python make_mxnet_gradients.py

MXNet 1.9.1 refuses these cases on the CPU, or has them wrong; the file has none of them:
- lengths of a layer: MXNet's own implementation refuses them, oneDNN's ignores them without an error;
- clips of a layer's cell state: the same;
- projections of a layer: MXNet refuses to train them;
- a length of 0 in cells: the final state is random memory, and its gradient is written outside of the array;
- `RNN` of three or more layers by MXNet's own implementation: the gradients by the input weights of each
  layer between the first and the last differ from PyTorch's by more than their own size (for GRU,
  apache/mxnet#18203 mended this); oneDNN's are right, and the file has them;
- dropout of a layer: the operator does not give its masks.
"""

import os

import mxnet
from mxnet import autograd, gluon, nd

from golden import LENGTHS, Random, save

T, N, I, H = 5, 3, 3, 3
ALL = ("output", "h_n", "c_n")
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
NAMES = {"weight_ih": "i2h_weight", "weight_hh": "h2h_weight", "bias_ih": "i2h_bias", "bias_hh": "h2h_bias",
         "weight_hr": "h2r_weight"}

drawn = Random(12)


def random(*shape, scale=1.0):
    """Numbers of few bits, which the package compresses well."""
    return (drawn(*shape, scale=scale) * 256).round() / 256


def fill(owner, prefix, suffix, name, width, hidden, projection=0):
    """Random numbers for the parameters of a direction, and those under PyTorch's names."""
    gates = GATES[name] * hidden
    shapes = {"weight_ih": (gates, width), "weight_hh": (gates, projection or hidden), "bias_ih": (gates,),
              "bias_hh": (gates,)}
    if projection:
        shapes["weight_hr"] = (projection, hidden)
    parameters = {}
    for ours, shape in shapes.items():
        parameter = getattr(owner, prefix + NAMES[ours])
        parameter.set_data(nd.array(random(*shape, scale=0.6)))
        parameters[ours + suffix] = parameter
    return parameters


def layers_of(name, layers, sides, hidden, **options):
    network = getattr(gluon.rnn, name)(hidden, layers, input_size=I, bidirectional=len(sides) == 2, **options)
    network.initialize()
    parameters = {}
    for layer in range(layers):
        width = hidden * len(sides) if layer else I
        for side, suffix in zip("lr", sides):
            parameters.update(fill(network, f"{side}{layer}_", f"_l{layer}{suffix}", name, width, hidden))
    return parameters, network


def cells_of(name, layers, sides, hidden, projection, residual, lengths, **options):
    stack, parameters, width = gluon.rnn.SequentialRNNCell(), {}, I
    for layer in range(layers):
        directions = []
        for suffix in sides:
            if projection:
                cell = gluon.contrib.rnn.LSTMPCell(hidden, projection, input_size=width)
            else:
                cell = getattr(gluon.rnn, name + "Cell")(hidden, input_size=width, **options)
            cell.initialize()
            parameters.update(fill(cell, "", f"_l{layer}{suffix}", name, width, hidden, projection))
            directions.append(cell)
        cell = directions[0] if len(directions) == 1 else gluon.rnn.BidirectionalCell(*directions)
        stack.add(gluon.rnn.ResidualCell(cell) if residual and layer > 0 else cell)
        width = (projection or hidden) * len(sides)

    def network(sequence, states):
        begin = [state[slot] for slot in range(layers * len(sides)) for state in states]
        valid = None if lengths is None else nd.array(lengths)
        output, ends = stack.unroll(T, sequence, begin, layout="TNC", merge_outputs=True, valid_length=valid)
        return output, [nd.stack(*ends[index::len(states)]) for index in range(len(states))]

    return parameters, network


def case(kind, layers=1, bidirectional=False, code="onednn", losses=ALL, hidden=H, projection=0,
         residual=False, lengths=None):
    name, _, activation = kind.partition("_")
    name, options = name.upper(), {"activation": activation} if activation else {}
    sides = ["", "_reverse"] if bidirectional else [""]
    if code == "cells":
        parameters, network = cells_of(name, layers, sides, hidden, projection, residual, lengths, **options)
    else:
        # MXNet reads this variable at each call.
        os.environ["MXNET_USE_MKLDNN_RNN"] = str(int(code == "onednn"))
        parameters, network = layers_of(name, layers, sides, hidden, **options)
    found = {name: parameter.data().asnumpy() for name, parameter in parameters.items()}
    slots = layers * len(sides)
    leaves = {"input": random(T, N, I), "h0": random(slots, N, projection or hidden)}
    if name == "LSTM":
        leaves["c0"] = random(slots, N, hidden)
    found.update(leaves)
    leaves = {name: nd.array(value) for name, value in leaves.items()}
    for leaf in leaves.values():
        leaf.attach_grad()
    with autograd.record():
        sequence, *states = leaves.values()
        output, states = network(sequence, states)
    outputs = dict(zip(ALL, [output, *states]))
    given = {name: random(*value.shape) for name, value in outputs.items() if name in losses}
    autograd.backward([outputs[name] for name in given], [nd.array(value) for value in given.values()])
    found.update({"grad_" + name: value for name, value in given.items()})
    found.update({"grad_" + name: leaf.grad.asnumpy() for name, leaf in leaves.items()})
    found.update({"grad." + name: parameter.grad().asnumpy() for name, parameter in parameters.items()})
    found.update({name: value.asnumpy() for name, value in outputs.items()})
    settings = {"residual": True} if residual else {}
    if lengths is not None:
        found["lengths"] = lengths
    if bidirectional:
        settings["directions"] = "both"
    if activation:
        settings["nonlinearity"] = activation
    return settings, found


def main():
    cases = {}
    cases["rnn_relu-3f"] = case("rnn_relu", 3)
    cases["rnn_tanh-2b-own"] = case("rnn_tanh", 2, True, "own")
    cases["lstm"] = case("lstm", hidden=9)
    cases["lstm-3f-own"] = case("lstm", 3, code="own")
    cases["gru-2b"] = case("gru", 2, True)
    cases["gru-3f-own"] = case("gru", 3, code="own")
    for alone in ALL:
        cases[f"lstm-{alone}-alone-own"] = case("lstm", 1, True, "own", losses=(alone,))
    cases["gru-h_n-alone"] = case("gru", 1, True, losses=("h_n",))
    cases["rnn_tanh-lengths-cells"] = case("rnn_tanh", 1, True, "cells", lengths=LENGTHS)
    cases["lstm-lengths-cells"] = case("lstm", 2, True, "cells", lengths=LENGTHS)
    cases["gru-lengths-cells"] = case("gru", 1, True, "cells", lengths=LENGTHS)
    cases["lstm-projection-cells"] = case("lstm", code="cells", projection=2, lengths=LENGTHS)
    # More projected units than hidden ones, which PyTorch refuses.
    cases["lstm-projection-wide-cells"] = case("lstm", 1, True, "cells", projection=H + 2)
    cases["gru-residual-cells"] = case("gru", 3, code="cells", residual=True)
    save("mxnet_gradients.safetensors", cases, mxnet=mxnet.__version__)


main()
