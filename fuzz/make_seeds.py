"""Seeds that are smaller than the goldens, or stored where those are deflated: python make_seeds.py FOLDER, by
../tests/formats/requirements-keras.txt."""

import json
import os
import sys
import zipfile

import h5py
import numpy

FOLDER = sys.argv[1]
NUMBERS = numpy.arange(4, dtype="f4").reshape(1, 4) / 8
ARRAYS = {"kernel": NUMBERS[:, :3], "recurrent_kernel": NUMBERS[:, 1:], "bias": numpy.zeros([2, 3], "f4")}
LAYER = {"class_name": "GRU", "config": {"name": "gru", "units": 1, "return_sequences": True, "reset_after": True}}
BOTH = {"class_name": "Bidirectional", "config": {"name": "gru", "merge_mode": "sum", "layer": LAYER}}


def path(name):
    return os.path.join(FOLDER, name)


def model(layer):
    return json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}})


def keras_2(name, attributes=0, text=str.encode, storage=None, **how):
    """A layer as Keras 2 has written it, in one form of HDF5."""
    with h5py.File(path(name), "w", **how) as f:
        f.attrs["keras_version"] = text("2.14.0")
        f.attrs["model_config"] = text(model(LAYER))
        for number in range(attributes):
            f.attrs[f"a{number}"] = number
        group = f.create_group("model_weights/gru")
        for array, numbers in ARRAYS.items():
            group.create_dataset(f"{array}:0", data=numbers, **storage or {})


def keras_3(name, layer, places):
    """A layer as Keras 3 writes it, its members stored."""
    with h5py.File(path("model.weights.h5"), "w", libver=("v110", "v110")) as f:
        for place in places:
            for number, numbers in enumerate(ARRAYS.values()):
                f[f"layers/{place}/vars/{number}"] = numbers
    with zipfile.ZipFile(path(name), "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", model(layer))
        archive.write(path("model.weights.h5"), "model.weights.h5")
    os.remove(path("model.weights.h5"))


latest = {"libver": ("v110", "v110")}
packed = {"compression": "gzip", "shuffle": True, "chunks": (1, 2), "fletcher32": True}
keras_2("keras_2_first.h5", text=str)
keras_2("keras_2_latest.h5", **latest)
keras_2("keras_2_packed.h5", storage=packed)
keras_2("keras_2_packed_latest.h5", storage=packed, **latest)
# More attributes than a header holds: they lie in a heap, by a tree.
keras_2("keras_2_heap.h5", attributes=9, **latest)
keras_3("keras_3.keras", LAYER, ["gru/cell"])
keras_3("keras_3_both.keras", BOTH, ["bidirectional/forward_layer/cell", "bidirectional/backward_layer/cell"])
numpy.save(path("rows.npy"), NUMBERS)
numpy.save(path("columns.npy"), numpy.asfortranarray(NUMBERS.astype(">f8").repeat(2, 0)))
names = {"weight_ih": NUMBERS.reshape(4, 1), "weight_hh": NUMBERS.reshape(4, 1), "bias_ih": NUMBERS[0], "bias_hh": NUMBERS[0]}
numpy.savez(path("lstm.npz"), **{f"{name}_l0": numbers for name, numbers in names.items()})
# TorchScript without its code.
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/formats/data")
with zipfile.ZipFile(os.path.join(DATA, "pytorch_script.pt")) as whole, zipfile.ZipFile(path("script.pt"), "w") as archive:
    for name in whole.namelist():
        if "/code/" not in name and not name.endswith(".debug_pkl"):
            archive.writestr(name, whole.read(name))
