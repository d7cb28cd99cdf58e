"""Makes data/mxnet2_*: files that MXNet 2.0.0b1 writes, and data/mxnet2.safetensors, the input and output of each
network, computed by that MXNet on the CPU in single precision.

    python3.10 -m venv venv && venv/bin/pip install -r requirements-mxnet2.txt && venv/bin/python make_mxnet2.py
"""

import json
import os

import mxnet
import numpy
from mxnet import np
from mxnet.gluon import nn, rnn
from safetensors.numpy import save_file

T, N, I, H = 4, 2, 3, 5
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
cases, arrays = {}, {}
random = numpy.random.RandomState(8)
mxnet.npx.set_np()


def path(name):
    return os.path.join(DATA, name)


def fill(block):
    block.initialize()
    block(np.zeros((T, N, I)))
    for parameter in block.collect_params().values():
        parameter.set_data(np.array(random.uniform(-0.6, 0.6, parameter.shape)))


def case(name, output, input, **settings):
    """Keeps what a network of a file computes. Settings: file, prefix, config."""
    cases[name] = settings
    arrays[f"{name}.input"] = input.astype(numpy.float32)
    arrays[f"{name}.output"] = output.astype(numpy.float32)


def sizes(cell, **others):
    """What one vector does not tell."""
    return {"cell": cell, "hidden_size": H, "input_size": I, **others}


def layers():
    """Each layer keeps all of its weights in one vector."""
    for name, layer, config in [
        ("lstm", rnn.LSTM(H, num_layers=2, bidirectional=True, input_size=I),
         sizes("lstm", num_layers=2, bidirectional=True)),
        ("gru", rnn.GRU(H, num_layers=3, input_size=I), sizes("gru", num_layers=3)),
        ("rnn", rnn.RNN(H, activation="tanh", bidirectional=True, input_size=I),
         sizes("rnn_tanh", bidirectional=True)),
        ("projection", rnn.LSTM(H, num_layers=2, bidirectional=True, projection_size=2, input_size=I),
         sizes("lstm", num_layers=2, bidirectional=True, proj_size=2)),
    ]:
        fill(layer)
        input = random.uniform(-1, 1, (T, N, I))
        layer.save_parameters(path(f"mxnet2_{name}.params"))
        case(name, layer(np.array(input)).asnumpy(), input, file=f"mxnet2_{name}.params", config=config)


def nested():
    """Two networks in blocks, with other layers beside them: by save_parameters, and by export."""
    net, inner = nn.HybridSequential(), nn.HybridSequential()
    inner.add(rnn.LSTM(H, bidirectional=True, input_size=I), nn.Dense(I, flatten=False, in_units=2 * H))
    net.add(inner, rnn.GRU(H, input_size=I))
    fill(net)
    input = random.uniform(-1, 1, (T, N, I))
    net.save_parameters(path("mxnet2_nested.params"))
    net.hybridize()
    net(np.array(input))
    net.export(path("mxnet2_export"))
    os.remove(path("mxnet2_export-symbol.json"))
    for kind, file in [("nested", "mxnet2_nested.params"), ("export", "mxnet2_export-0000.params")]:
        case(f"{kind}_lstm", inner[0](np.array(input)).asnumpy(), input, file=file, prefix="0.0",
             config=sizes("lstm", bidirectional=True))
        case(f"{kind}_gru", net[1](np.array(input)).asnumpy(), input, file=file, prefix="1", config=sizes("gru"))


def cells():
    input = random.uniform(-1, 1, (T, N, I))

    def cell_case(name, cell):
        cell.initialize()
        unroll = lambda: cell.unroll(T, np.array(input), layout="TNC", merge_outputs=True)[0]
        unroll()
        for parameter in cell.collect_params().values():
            parameter.set_data(np.array(random.uniform(-0.6, 0.6, parameter.shape)))
        file = f"mxnet2_{name}.params"
        cell.save_parameters(path(file))
        case(name, unroll().asnumpy(), input, file=file)

    cell_case("cell", rnn.LSTMCell(H, input_size=I))
    cell_case("bicell", rnn.BidirectionalCell(rnn.GRUCell(H, input_size=I), rnn.GRUCell(H, input_size=I)))


layers()
nested()
cells()
save_file(arrays, path("mxnet2.safetensors"), {"cases": json.dumps(cases), "mxnet": mxnet.__version__})
