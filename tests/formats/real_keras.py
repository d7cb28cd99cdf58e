"""Fetches asmscan-bilstm from PyPI, whose model is a file of Keras 2.14, and compares what Keras 3 computes from its layers
with what this library computes from the same file.

    cargo build --release --examples
    venv/bin/pip install -r requirements-keras.txt && venv/bin/python real_keras.py ../../target/release/examples
"""

import os
import subprocess
import sys
import tempfile
import zipfile

os.environ["KERAS_BACKEND"] = "jax"

import h5py  # noqa: E402
import numpy  # noqa: E402
from keras import layers  # noqa: E402
from safetensors.numpy import load_file, save_file  # noqa: E402

T, N = 40, 3
PACKAGE = "asmscan-bilstm==1.0.0"
FILE = "asmscan/bilstm/resources/model/cvms/bass-model{}.h5"
TOLERANCE = 1e-5


def ours(examples, folder, weights, input, *options):
    x, y = os.path.join(folder, "x.safetensors"), os.path.join(folder, "y.safetensors")
    save_file({"input": numpy.ascontiguousarray(input.transpose(1, 0, 2))}, x)
    subprocess.run([os.path.join(examples, "infer"), "--device", "cpu", "--weights", weights, "--input", x, "--output", y,
                    *options], check=True, stdout=subprocess.DEVNULL)
    return load_file(y)["output"]


def theirs(layer, group, width):
    """The layer with the arrays of its group, in Keras' order."""
    layer.build((N, T, width))
    names = [name if isinstance(name, str) else name.decode() for name in group.attrs["weight_names"]]
    layer.set_weights([group[name][()] for name in names])
    return layer


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE], check=True)
    for name in os.listdir(folder):
        if name.endswith(".whl"):
            zipfile.ZipFile(os.path.join(folder, name)).extractall(folder)
    random = numpy.random.RandomState(5)
    for number in range(1, 7):
        file = os.path.join(folder, FILE.format(number))
        with h5py.File(file) as weights:
            weights = weights["model_weights"]
            embedding = weights["embedding/embedding/embeddings:0"][()]
            both = theirs(layers.Bidirectional(layers.LSTM(8, return_sequences=True)), weights["bi-lstm"], 8)
            lstm = theirs(layers.LSTM(4), weights["lstm"], 16)
        # Amino acids, as the model's tokenizer numbers them.
        input = embedding[random.randint(0, 26, (N, T))]
        sequence = numpy.asarray(both(input))
        last = numpy.asarray(lstm(sequence))
        of_both = numpy.abs(ours(sys.argv[1], folder, file, input, "--prefix", "bi-lstm") - sequence.transpose(1, 0, 2)).max()
        of_last = ours(sys.argv[1], folder, file, sequence, "--prefix", "lstm", "--last-only")
        of_last = numpy.abs(of_last.reshape(last.shape) - last).max()
        print(f"{os.path.basename(file)}: bi-lstm {of_both:.1e}, lstm {of_last:.1e}")
        assert max(of_both, of_last) <= TOLERANCE
