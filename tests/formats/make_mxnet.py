"""Makes data/mxnet_*: files that MXNet 1.9.1 writes, or reads where no MXNet of today writes them, and
data/mxnet.safetensors, the input and output of each network, computed by MXNet on the CPU in single precision.

    python3 -m venv venv && venv/bin/pip install -r ../golden/requirements-mxnet.txt && venv/bin/python make_mxnet.py
"""

import json
import os
import struct

import mxnet
import numpy
from mxnet import gluon, nd
from safetensors.numpy import save_file

T, N, I, H = 4, 2, 3, 5
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
cases, arrays = {}, {}
random = numpy.random.RandomState(7)


def path(name):
    return os.path.join(DATA, name)


def fill(block):
    block.initialize()
    block(nd.zeros((T, N, I)))
    for parameter in block.collect_params().values():
        parameter.set_data(nd.array(random.uniform(-0.6, 0.6, parameter.shape)))


def case(name, output, input, **settings):
    """Keeps what a network of a file computes. Settings: file, prefix, activation, config."""
    cases[name] = settings
    arrays[f"{name}.input"] = input.astype(numpy.float32)
    arrays[f"{name}.output"] = output.astype(numpy.float32)


def layer_case(name, layer, save, **settings):
    fill(layer)
    input = random.uniform(-1, 1, (T, N, I))
    output = layer(nd.array(input)).asnumpy()
    save(layer)
    case(name, output, input, **settings)


def layers():
    both = {"num_layers": 2, "bidirectional": True, "input_size": I}
    layer_case("lstm", gluon.rnn.LSTM(H, input_size=I), lambda layer: layer.save_parameters(path("mxnet_lstm.params")),
               file="mxnet_lstm.params")
    layer_case("bigru", gluon.rnn.GRU(H, **both), lambda layer: layer.save_parameters(path("mxnet_bigru.params")),
               file="mxnet_bigru.params")
    layer_case("rnn", gluon.rnn.RNN(H, **both), lambda layer: layer.save_parameters(path("mxnet_rnn.params")),
               file="mxnet_rnn.params", activation="relu")
    # The names of before Gluon's save_parameters: a prefix, and no dot.
    layer_case("old", gluon.rnn.LSTM(H, prefix="lstm0_", **both),
               lambda layer: layer.collect_params().save(path("mxnet_old_names.params")),
               file="mxnet_old_names.params", prefix="lstm0")
    # save_parameters stops at ten layers.
    layer_case("deep", gluon.rnn.GRU(2, num_layers=12, input_size=I, prefix="gru0_"),
               lambda layer: layer.collect_params().save(path("mxnet_deep.params")), file="mxnet_deep.params")

    def export(layer):
        layer.hybridize()
        layer(nd.zeros((T, N, I)))
        layer.export(path("mxnet_export"))
        os.remove(path("mxnet_export-symbol.json"))

    layer_case("export", gluon.rnn.LSTM(H, prefix="lstm0_", **both), export, file="mxnet_export-0000.params")

    def half(layer):
        for parameter in layer.collect_params().values():
            parameter.set_data(parameter.data().astype("float16").astype("float32"))

    layer = gluon.rnn.LSTM(H, input_size=I)
    fill(layer)
    half(layer)
    input = random.uniform(-1, 1, (T, N, I))
    case("half", layer(nd.array(input)).asnumpy(), input, file="mxnet_half.params")
    layer.cast("float16")
    layer.save_parameters(path("mxnet_half.params"))


def nested():
    """Two networks in blocks, with other layers beside them."""
    net = gluon.nn.HybridSequential()
    inner = gluon.nn.HybridSequential()
    inner.add(gluon.rnn.LSTM(H, bidirectional=True, input_size=I))
    inner.add(gluon.nn.Dense(I, flatten=False, in_units=2 * H))
    net.add(inner, gluon.rnn.GRU(H, input_size=I))
    fill(net)
    input = random.uniform(-1, 1, (T, N, I))
    case("nested_lstm", inner[0](nd.array(input)).asnumpy(), input, file="mxnet_nested.params", prefix="0.0")
    case("nested_gru", net[1](nd.array(input)).asnumpy(), input, file="mxnet_nested.params", prefix="1.")
    net.save_parameters(path("mxnet_nested.params"))


def cells():
    input = random.uniform(-1, 1, (T, N, I))

    def cell_case(name, cell, **settings):
        cell.initialize()
        unroll = lambda: cell.unroll(T, nd.array(input), layout="TNC", merge_outputs=True)[0]
        unroll()
        for parameter in cell.collect_params().values():
            parameter.set_data(nd.array(random.uniform(-0.6, 0.6, parameter.shape)))
        file = f"mxnet_{name}.params"
        cell.save_parameters(path(file))
        case(name, unroll().asnumpy(), input, file=file, **settings)

    cell_case("cell", gluon.rnn.LSTMCell(H, input_size=I))
    cell_case("bicell", gluon.rnn.BidirectionalCell(gluon.rnn.GRUCell(H, input_size=I), gluon.rnn.GRUCell(H, input_size=I)))
    cell_case("projection", gluon.contrib.rnn.LSTMPCell(H, 2, input_size=I))


def versions():
    """One GRU in every version of the format, and beside a sparse array."""
    layer = gluon.rnn.GRU(H, input_size=I)
    fill(layer)
    input = random.uniform(-1, 1, (T, N, I))
    output = layer(nd.array(input)).asnumpy()
    named = {name: parameter.data() for name, parameter in layer._collect_params_with_prefix().items()}

    embedding = nd.sparse.row_sparse_array((nd.ones((2, 3)), nd.array([1, 4])), shape=(9, 3))
    csr = nd.sparse.csr_matrix(nd.array([[0, 1.0], [2.0, 0]]))
    nd.save(path("mxnet_sparse.params"), {**named, "embedding": embedding, "csr": csr})
    case("sparse", output, input, file="mxnet_sparse.params")

    with mxnet.util.np_shape(True):
        nd.save(path("mxnet_v3.params"), {**named, "scalar": nd.ones(())})
    case("v3", output, input, file="mxnet_v3.params")

    for version in (0, 1):
        arrays_of = b""
        for array in named.values():
            if version == 1:
                arrays_of += struct.pack("<II", 0xF993FAC8, array.ndim) + struct.pack(f"<{array.ndim}q", *array.shape)
            else:
                arrays_of += struct.pack(f"<{1 + array.ndim}I", array.ndim, *array.shape)
            arrays_of += struct.pack("<iii", 1, 0, 0) + array.asnumpy().tobytes()
        names = b"".join(struct.pack("<Q", len(name)) + name.encode() for name in named)
        count = struct.pack("<Q", len(named))
        file = f"mxnet_v{version}.params"
        with open(path(file), "wb") as out:
            out.write(struct.pack("<QQ", 0x112, 0) + count + arrays_of + count + names)
        read = nd.load(path(file))
        assert all((read[name] == array).asnumpy().all() for name, array in named.items())
        case(f"v{version}", output, input, file=file)

    # Every type that this MXNet writes.
    brain = numpy.dtype([("bfloat16", numpy.uint16)])
    dtypes = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool", brain]
    others = {str(place): nd.ones((2, 3)).astype(dtype) for place, dtype in enumerate(dtypes)}
    nd.save(path("mxnet_types.params"), {**named, **others})
    case("types", output, input, file="mxnet_types.params")

    narrow = {name: array.astype(brain) for name, array in named.items()}
    nd.save(path("mxnet_bf16.params"), narrow)
    for parameter, array in zip(layer._collect_params_with_prefix().values(), narrow.values()):
        parameter.set_data(array.astype("float32"))
    case("bf16", layer(nd.array(input)).asnumpy(), input, file="mxnet_bf16.params")


def flat():
    """The one vector of MXNet 2, in an archive of NumPy's arrays."""
    count = 4 * H * (I + H) * 2 + 4 * H * (2 * H + H) * 2 + 4 * H * 2 * 4
    vector = random.uniform(-0.6, 0.6, count)
    input = random.uniform(-1, 1, (T, N, I))
    zeros = nd.zeros((4, N, H))
    output = nd.RNN(nd.array(input), nd.array(vector), zeros, zeros, mode="lstm", state_size=H, num_layers=2,
                    bidirectional=True)
    numpy.savez(path("mxnet_flat.npz"), **{"encoder.rnn_param": vector.astype(numpy.float32)})
    case("flat", output.asnumpy(), input, file="mxnet_flat.npz",
         config={"cell": "lstm", "hidden_size": H, "input_size": I, "num_layers": 2, "bidirectional": True})


layers()
nested()
cells()
versions()
flat()
save_file(arrays, path("mxnet.safetensors"), {"cases": json.dumps(cases), "mxnet": mxnet.__version__})
