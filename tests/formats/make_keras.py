"""Makes data/keras_*: files that Keras 3 writes on JAX, and h5py in the places of Keras 2, and data/keras.safetensors, the
input and output of each network, computed by Keras from the numbers that the file has.

    python3 -m venv venv && venv/bin/pip install -r requirements-keras.txt && venv/bin/python make_keras.py
"""

import json
import os
import shutil
import zipfile

os.environ["KERAS_BACKEND"] = "jax"

import h5py  # noqa: E402
import keras  # noqa: E402
import numpy  # noqa: E402
from keras import layers  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

T, N, I, H = 4, 2, 3, 5
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
cases, arrays = {}, {}
random = numpy.random.RandomState(17)


def path(name):
    return os.path.join(DATA, name)


def case(name, layer, inputs=I, **settings):
    """Keeps what a layer computes. Settings: file, prefix, activation; last_only and flipped tell what Keras gives."""
    x = (random.rand(N, T, inputs) * 2 - 1).astype("float32")
    outputs = layer(x)
    outputs = [numpy.asarray(output) for output in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]
    sequential = outputs[0].ndim == 3
    if sequential and getattr(layer, "go_backwards", False) and not isinstance(layer, layers.Bidirectional):
        # Keras gives the steps in the order in which it reads them.
        outputs = [output[:, ::-1] for output in outputs]
    cases[name] = {**settings, "last_only": not sequential}
    arrays[f"{name}.input"] = numpy.ascontiguousarray(x.transpose(1, 0, 2))
    for key, output in zip(["output", "output_reverse"], outputs):
        arrays[f"{name}.{key}"] = numpy.ascontiguousarray(output.transpose(1, 0, 2) if sequential else output)


def randomised(model):
    """Biases of Keras begin at zero, and would tell nothing."""
    model.set_weights([(random.rand(*weight.shape) - 0.5).astype(weight.dtype) for weight in model.get_weights()])
    return model


def model():
    x = keras.Input((T, I), name="input")
    lstm = layers.LSTM(H, return_sequences=True, name="first")(x)
    both = layers.Bidirectional(layers.LSTM(H, return_sequences=True), name="enc")(lstm)
    summed = layers.Bidirectional(layers.GRU(4, return_sequences=True, reset_after=False), merge_mode="sum", name="sum")(both)
    inner = keras.Sequential([keras.Input((T, 4)), layers.GRU(3, return_sequences=True, go_backwards=True, name="gru")], name="inner")(summed)
    hard = layers.LSTM(H, activation="softsign", recurrent_activation="hard_sigmoid", use_bias=False, return_sequences=True, name="hard")(inner)
    rnn = layers.SimpleRNN(2, activation="relu", name="rnn")(layers.Dropout(0.5)(hard))
    swish = layers.GRU(2, activation="swish", name="swish")(hard)
    last = layers.Bidirectional(layers.GRU(2, use_bias=False), merge_mode="mul", name="last")(hard)
    wrapped = layers.RNN(layers.LSTMCell(2, activation="elu"), name="wrapped")(hard)
    apart = layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True), merge_mode=None, name="apart")(hard)
    return randomised(keras.Model(x, [layers.Dense(1)(rnn), swish, last, wrapped, *apart], name="model"))


def networks(label, made, file, **more):
    for name, width in [("first", I), ("enc", H), ("sum", 2 * H), ("hard", 3), ("rnn", H), ("last", H), ("wrapped", H), ("apart", H)]:
        case(f"{label}_{name}", made.get_layer(name), width, file=file, prefix=name, **more)
    case(f"{label}_inner", made.get_layer("inner").get_layer("gru"), 4, file=file, prefix="inner/gru", **more)


def models():
    made = model()
    made.save(path("keras_model.keras"))
    made.save(path("keras_model.h5"))
    networks("keras", made, "keras_model.keras")
    networks("legacy", made, "keras_model.h5")

    weights = keras.Sequential([keras.Input((T, I)), layers.LSTM(H, return_sequences=True, name="one"),
                                layers.SimpleRNN(2, name="two"), layers.GRU(2, name="three", return_sequences=True)][:3])
    randomised(weights).save_weights(path("keras_lstm.weights.h5"))
    case("weights_one", weights.layers[0], I, file="keras_lstm.weights.h5", prefix="one")
    case("weights_two", weights.layers[1], H, file="keras_lstm.weights.h5", prefix="two", activation="tanh")

    small = randomised(keras.Sequential([keras.Input((T, 1)), layers.GRU(1, name="gru")]))
    small.save_weights(path("keras_small.weights.h5"))
    case("small", small.layers[0], 1, file="keras_small.weights.h5")

    half = randomised(keras.Sequential([keras.Input((T, I), dtype="float16"), layers.LSTM(2, name="half", dtype="float16", recurrent_initializer="uniform", return_sequences=True)]))
    half.save_weights(path("keras_f16.weights.h5"))
    full = keras.Sequential([keras.Input((T, I)), layers.LSTM(2, return_sequences=True)])
    full.set_weights([numpy.asarray(weight).astype("float32") for weight in half.layers[0].get_weights()])
    case("f16", full.layers[0], I, file="keras_f16.weights.h5")


def named(file):
    """A file without the names of layers, as Keras 3.3 and before writes them; the weights compressed on the way."""
    shutil.copy(path("keras_model.keras"), path(file))
    folder = path("unpacked")
    with zipfile.ZipFile(path("keras_model.keras")) as archive:
        archive.extractall(folder)
    with h5py.File(os.path.join(folder, "model.weights.h5"), "a") as weights:
        groups = []
        weights.visititems(lambda _, item: groups.append(item) if isinstance(item, h5py.Group) else None)
        for group in groups:
            group.attrs.pop("name", None)
    with zipfile.ZipFile(path(file), "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ["metadata.json", "config.json", "model.weights.h5"]:
            archive.write(os.path.join(folder, name), name)
    shutil.rmtree(folder)


def smallest():
    """The same arrays in as few bytes as h5py takes, for tests that change every bit."""
    with h5py.File(path("keras_small.weights.h5")) as f:
        weights = [f[f"layers/gru/cell/vars/{place}"][()] for place in range(3)]
    folder = path("unpacked")
    os.makedirs(folder)
    stored = {"name": "gru", "units": 1, "return_sequences": False, "reset_after": True}
    config = json.dumps({"class_name": "Sequential", "config": {"layers": [{"class_name": "GRU", "config": stored}]}})
    with h5py.File(os.path.join(folder, "model.weights.h5"), "w", libver=("v110", "v110")) as f:
        for place, weight in enumerate(weights):
            f[f"layers/gru/cell/vars/{place}"] = weight
    with zipfile.ZipFile(path("keras_small.keras"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", config)
        archive.write(os.path.join(folder, "model.weights.h5"), "model.weights.h5")
    shutil.rmtree(folder)
    names = [f"gru/{name}:0" for name in ("kernel", "recurrent_kernel", "bias")]
    with h5py.File(path("keras_2_small.h5"), "w") as f:
        f.attrs["keras_version"] = "2.14.0"
        f.attrs["model_config"] = config
        group = f.create_group("model_weights/gru")
        for name, weight in zip(names, weights):
            group[name] = weight
    settings, value = cases["small"], {key: arrays[f"small.{key}"] for key in ("input", "output")}
    for name, file in [("small_keras", "keras_small.keras"), ("small_2", "keras_2_small.h5")]:
        cases[name] = {**settings, "file": file}
        arrays.update({f"{name}.{key}": array for key, array in value.items()})


def keras_2(file, kind, prefix, config, extra, split=False, **options):
    """A model's file as Keras 2 has written it: names with `:0`, attributes of fixed strings, split where long. Keras 3 has
    the layer; what Keras 2 defined otherwise is set by hand."""
    layer = kind(**config, **extra)
    layer.build((None, T, I))
    layer.set_weights([(random.rand(*weight.shape) - 0.5).astype("float32") for weight in layer.get_weights()])
    stored = layer.get_config()
    stored["name"] = prefix
    stored.update(options.get("stored", {}))
    names = [f"{prefix}/{name}:0" for name in options["names"]]
    with h5py.File(path(file), "w", **options.get("how", {})) as f:
        f.attrs["keras_version"] = numpy.bytes_("2.14.0")
        f.attrs["backend"] = numpy.bytes_("tensorflow")
        entry = {"class_name": kind.__name__, "config": stored, "name": prefix, "inbound_nodes": []}
        f.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": {"name": "m", "layers": [entry]}}).encode()
        group = f.create_group("model_weights")
        group.attrs["layer_names"] = numpy.array([prefix.encode()])
        inner = group.create_group(prefix)
        if split:
            for place, name in enumerate(names):
                inner.attrs[f"weight_names{place}"] = numpy.array([name.encode()])
        else:
            inner.attrs["weight_names"] = numpy.array([name.encode() for name in names])
        for name, weight in zip(names, layer.get_weights()):
            inner.create_dataset(name, data=weight, **options.get("storage", {}) if weight.ndim == 2 else {})
        moments = f.create_group("optimizer_weights")
        for name, weight in zip(names, layer.get_weights()):
            moments.create_dataset(f"Adam/m/{name}", data=weight * 0)
    case(file.removeprefix("keras_").removesuffix(".h5"), layer, I, file=file, prefix=prefix)


def old_files():
    names = ["kernel", "recurrent_kernel", "bias"]
    both = [f"{side}_lstm/lstm_cell/{name}" for side in ("forward", "backward") for name in names]
    keras_2("keras_2_lstm.h5", layers.LSTM, "lstm", {"units": H}, {"return_sequences": True},
            names=[f"lstm_cell_3/{name}" for name in names])
    # Keras 2's hard_sigmoid.
    slope = lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1)  # noqa: E731
    keras_2("keras_2_hard.h5", layers.GRU, "gru_1", {"units": H}, {"return_sequences": True, "recurrent_activation": slope,
            "reset_after": False}, names=[f"{name}" for name in names], stored={"recurrent_activation": "hard_sigmoid"})
    inner = layers.LSTM(H, return_sequences=True)
    keras_2("keras_2_both.h5", layers.Bidirectional, "both", {"layer": inner}, {"merge_mode": "ave"}, names=both, split=True,
            storage={"compression": "gzip", "shuffle": True, "chunks": (2, 4)}, how={"libver": ("v110", "v110")},
            stored={"layer": {"class_name": "LSTM", "config": {"name": "lstm", "units": H, "return_sequences": True,
                                                                "activation": "tanh", "recurrent_activation": "sigmoid",
                                                                "go_backwards": False}}, "backward_layer": None})


def backward():
    """A layer for the other direction that has a name of its own."""
    own = layers.LSTM(2, return_sequences=True, go_backwards=True, activation="relu", name="own")
    both = layers.Bidirectional(layers.LSTM(2, return_sequences=True, name="first"), backward_layer=own, name="both")
    both = randomised(keras.Sequential([keras.Input((T, I)), both]))
    both.save(path("keras_backward.h5"))
    case("backward", both.layers[0], I, file="keras_backward.h5")


models()
named("keras_unnamed.keras")
for name, settings in list(cases.items()):
    if name.startswith("keras_"):
        cases[f"unnamed_{name}"] = {**settings, "file": "keras_unnamed.keras"}
        for key in ["input", "output", "output_reverse"]:
            if f"{name}.{key}" in arrays:
                arrays[f"unnamed_{name}.{key}"] = arrays[f"{name}.{key}"]
smallest()
old_files()
backward()
save_file(arrays, path("keras.safetensors"), {"cases": json.dumps(cases)})
