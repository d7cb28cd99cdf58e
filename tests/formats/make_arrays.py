"""Makes data/arrays.json: shapes and sums of the arrays of files of data/, as the program that wrote the file reads them.

    python3 -m venv venv && venv/bin/pip install -r ../golden/requirements.txt h5py==3.16.0
    venv/bin/python make_arrays.py

and once more in a venv with ../golden/requirements-mxnet.txt, for MXNet's files.
"""

import io
import json
import os
import pickle
import zipfile

import numpy

try:
    import mxnet
except ImportError:
    import h5py
    import onnx
    import torch
    from safetensors import safe_open

    mxnet = None

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def path(name):
    return os.path.join(DATA, name)


def flat(value, before=""):
    """Tensors by their paths in dictionaries and lists, as a checkpoint nests them."""
    if isinstance(value, (torch.Tensor, numpy.ndarray)):
        yield before, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{before}.{key}" if before else str(key))
    elif isinstance(value, (list, tuple)):
        for key, inner in enumerate(value):
            yield from flat(inner, f"{before}.{key}" if before else str(key))


def of_torch(name):
    return flat(torch.load(path(name), weights_only=True))


def of_safetensors(name):
    with safe_open(path(name), "pt") as file:
        return [(key, file.get_tensor(key)) for key in file.keys()]


def of_hdf5(file):
    found = []
    file.visititems(lambda name, item: found.append((name, item[()])) if isinstance(item, h5py.Dataset) else None)
    return found


def of_keras(name):
    if name.endswith(".keras"):
        with zipfile.ZipFile(path(name)) as archive:
            return of_hdf5(h5py.File(io.BytesIO(archive.read("model.weights.h5"))))
    return of_hdf5(h5py.File(path(name)))


def graphs(graph):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            yield from graphs(attribute.g) if attribute.type == onnx.AttributeProto.GRAPH else ()


def of_onnx(name):
    model = onnx.load(path(name))
    return [(array.name, onnx.numpy_helper.to_array(array)) for graph in graphs(model.graph) for array in graph.initializer]


def of_npz(name):
    return numpy.load(path(name)).items()


def of_pickle(name):
    with open(path(name), "rb") as file:
        return flat(pickle.load(file))


def of_mxnet(name):
    return mxnet.nd.load(path(name)).items()


READERS = {of_mxnet: [f"mxnet_{kind}.params" for kind in ("types", "bf16", "half", "v0", "v1", "nested", "export-0000")]}
if not mxnet:
    READERS = {
        of_safetensors: [f"pytorch_{kind}.safetensors" for kind in ("model", "f16", "bf16", "f64")],
        of_torch: ["pytorch_checkpoint.pth", *(f"pytorch_{kind}.pt" for kind in ("state", "old", "f16", "bf16", "f64", "views"))],
        of_pickle: ["pytorch_numpy.pkl"],
        of_keras: ["keras_model.keras", "keras_model.h5", "keras_lstm.weights.h5", "keras_f16.weights.h5", "keras_2_hard.h5",
                   "keras_2_lstm.h5"],
        of_onnx: [f"onnx/{kind}.onnx" for kind in ("script_bilstm", "quantized_rows", "external", "loop", "if")],
        of_npz: ["mxnet_flat.npz", "deflated.npz"],
    }


def numbers(array):
    """As f64; None of texts and complex numbers."""
    if mxnet and isinstance(array, mxnet.nd.NDArray):
        is_narrow = "bfloat16" in str(array.dtype)
        array = (array.astype("float32") if is_narrow else array).asnumpy()
    elif not mxnet and isinstance(array, torch.Tensor):
        array = array.detach()
        array = (array if array.is_complex() else array.double()).numpy()
    array = numpy.asarray(array)
    return array.astype(numpy.float64) if array.dtype.kind in "fiub" else None


def digest(array):
    """The sum, and the sum by place: another order of numbers has another one."""
    flat = array.ravel()
    return {"shape": list(array.shape), "sum": flat.sum(), "by_place": (flat * (1 + numpy.arange(flat.size) % 97)).sum()}


found = os.path.exists(path("arrays.json")) and json.load(open(path("arrays.json"))) or {}
for reader, names in READERS.items():
    for name in names:
        arrays = {key: numbers(array) for key, array in reader(name)}
        found[name] = {key: digest(array) for key, array in arrays.items() if array is not None}
        assert found[name], name
with open(path("arrays.json"), "w") as file:
    json.dump(found, file, indent=0, sort_keys=True)
print({name: len(arrays) for name, arrays in found.items()})
