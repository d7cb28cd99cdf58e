"""Makes mxnet.safetensors: what MXNet 1.9 computes on the CPU, in single precision, with Gluon's cells: its fused layers have
lengths, projections and clips on CUDA alone, its cells have lengths, projections and residuals everywhere.
"""

import mxnet
import numpy
from mxnet import gluon, nd

from golden import H, I, LENGTHS, N, P, T, Random, save

random = Random(4)
KINDS = {"rnn_tanh": ("RNNCell", 1), "lstm": ("LSTMCell", 4), "gru": ("GRUCell", 3)}


def cell_of(kind, input_size, projection, layer, reverse, found):
    suffix = f"_l{layer}" + ("_reverse" if reverse else "")
    name, gates = KINDS[kind]
    state = projection or H
    if projection:
        cell = gluon.contrib.rnn.LSTMPCell(H, projection, input_size=input_size)
    else:
        cell = getattr(gluon.rnn, name)(H, input_size=input_size)
    cell.initialize()
    own = {
        "i2h_weight": ("weight_ih", (gates * H, input_size)), "h2h_weight": ("weight_hh", (gates * H, state)),
        "i2h_bias": ("bias_ih", (gates * H,)), "h2h_bias": ("bias_hh", (gates * H,)),
    }
    if projection:
        own["h2r_weight"] = ("weight_hr", (projection, H))
    for theirs, (ours, shape) in own.items():
        value = random(*shape, scale=0.6)
        getattr(cell, theirs).set_data(nd.array(value))
        found[ours + suffix] = value
    return cell


def case(kind, layers=1, bidirectional=False, projection=0, lengths=None, residual=False):
    found = {}
    stack = gluon.rnn.SequentialRNNCell()
    width = I
    for layer in range(layers):
        cell = cell_of(kind, width, projection, layer, False, found)
        if bidirectional:
            cell = gluon.rnn.BidirectionalCell(cell, cell_of(kind, width, projection, layer, True, found))
        if residual and layer > 0:
            cell = gluon.rnn.ResidualCell(cell)
        stack.add(cell)
        width = (projection or H) * (1 + bidirectional)
    found["input"] = random(T, N, I)
    valid = None if lengths is None else nd.array(lengths)
    output, states = stack.unroll(
        T, nd.array(found["input"]), layout="TNC", merge_outputs=True, valid_length=valid)
    found["output"] = output.asnumpy()
    states = [state.asnumpy() for state in states]
    per = 2 if kind == "lstm" else 1
    found["h_n"] = numpy.stack(states[::per])
    if per == 2:
        found["c_n"] = numpy.stack(states[1::2])
    if lengths is not None:
        found["lengths"] = lengths
    settings = {"residual": True} if residual else {}
    if kind == "rnn_tanh":
        settings["nonlinearity"] = "tanh"
    return settings, found


def main():
    cases = {}
    for kind in KINDS:
        cases[f"{kind}-lengths"] = case(kind, lengths=LENGTHS)
        cases[f"{kind}-lengths-bidirectional"] = case(kind, bidirectional=True, lengths=LENGTHS)
        cases[f"{kind}-residual"] = case(kind, 3, residual=True)
    cases["lstm-projection"] = case("lstm", projection=P)
    cases["lstm-projection-lengths"] = case("lstm", projection=P, lengths=LENGTHS)
    # More projected units than hidden ones, which PyTorch refuses.
    cases["lstm-projection-wide"] = case("lstm", projection=H + 4)
    cases["lstm-projection-wide-bidirectional"] = case("lstm", bidirectional=True, projection=H + 4)
    save("mxnet.safetensors", cases, mxnet=mxnet.__version__)


main()
