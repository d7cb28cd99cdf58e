"""Files of other programs, with the outputs that those computed; bytes, names of Gluon, datasets in files."""

import json
import struct

import numpy as np
import pytest
import torch
from common import near

import wgpu_rnn
from wgpu_rnn import GRU, LSTM, RNN, Dataset


def tensors_of(path):
    """The f32 tensors of a safetensors file, read by its format's description."""
    contents = path.read_bytes()
    (size,) = struct.unpack("<Q", contents[:8])
    found = {}
    for name, tensor in json.loads(contents[8 : 8 + size]).items():
        if name != "__metadata__" and tensor["dtype"] == "F32":
            start, end = (8 + size + place for place in tensor["data_offsets"])
            found[name] = np.frombuffer(contents[start:end], "<f4").reshape(tensor["shape"])
    return found


def write_tensors(path, tensors):
    """Write a safetensors file by its format's description."""
    kinds, header, data = {"float32": "F32", "int64": "I64"}, {}, b""
    for name, array in tensors.items():
        place = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": kinds[str(array.dtype)], "shape": array.shape, "data_offsets": place}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


# File, prefix, file of the results, name of the results, class, attributes.
FILES = [
    ("keras_2_lstm.h5", None, "keras", "2_lstm", LSTM, {}),
    ("keras_model.keras", "first", "keras", "keras_first", LSTM, {}),
    ("keras_model.keras", "enc", "keras", "keras_enc", LSTM, {"bidirectional": True}),
    ("keras_model.h5", "inner/gru", "keras", "legacy_inner", GRU, {}),
    ("mxnet_lstm.params", None, "mxnet", "lstm", LSTM, {}),
    ("mxnet_bigru.params", None, "mxnet", "bigru", GRU, {"bidirectional": True}),
    ("onnx/dynamo_bilstm.onnx", None, "onnx", "dynamo_bilstm", LSTM, {"num_layers": 2}),
    ("onnx/dynamo_gru.onnx", None, "onnx", "dynamo_gru", GRU, {"bias": False}),
    ("onnx/dynamo_batch_first.onnx", None, "onnx", "dynamo_batch_first", LSTM, {"batch_first": True}),
]


@pytest.mark.parametrize("file, prefix, results, name, kind, attributes", FILES)
def test_files_of_other_programs(file, prefix, results, name, kind, attributes, repository, device):
    data = repository / "tests/formats/data"
    expected = tensors_of(data / f"{results}.safetensors")
    options = {"batch_first": True} if attributes.get("batch_first") else {}
    for given in (data / file, str(data / file), (data / file).read_bytes()):
        net = wgpu_rnn.load(given, prefix=prefix, device=device, **options)
        assert type(net) is kind
        for attribute, value in attributes.items():
            assert getattr(net, attribute) == value
        near(net(expected[f"{name}.input"])[0], expected[f"{name}.output"], 1e-5)


def test_an_activation_that_a_file_does_not_tell(repository, device, tmp_path):
    data = repository / "tests/formats/data"
    expected = tensors_of(data / "mxnet.safetensors")
    with pytest.raises(ValueError, match="activation"):
        wgpu_rnn.load(data / "mxnet_rnn.params", device=device)
    found = {
        activation: RNN.load(data / "mxnet_rnn.params", activation=activation, device=device)
        for activation in ("tanh", "relu")
    }
    assert {activation: net.nonlinearity for activation, net in found.items()} == {
        "tanh": "tanh",
        "relu": "relu",
    }
    differences = [
        np.abs(net(expected["rnn.input"])[0] - expected["rnn.output"]).max() for net in found.values()
    ]
    assert min(differences) < 1e-5 < 1e-2 < max(differences)


@pytest.mark.parametrize("ending", ["safetensors", "npz"])
def test_names_of_gluon(ending, tmp_path):
    net = LSTM(3, 4, 2, bidirectional=True, device="cpu")
    path = tmp_path / f"w.{ending}"
    net.save(path, naming="gluon")
    net.save(tmp_path / f"plain.{ending}")
    read = tensors_of if ending == "safetensors" else np.load
    arrays, plain = dict(read(path)), dict(read(tmp_path / f"plain.{ending}"))
    state = net.state_dict()
    assert set(plain) == set(state)
    expected = {}
    for name, array in state.items():
        # weight_ih_l1_reverse is r1_i2h_weight.
        kind, source, layer = name.removesuffix("_reverse").split("_")
        side = "r" if name.endswith("_reverse") else "l"
        expected[f"{side}{layer[1:]}_{source[0]}2h_{kind}"] = array
    assert set(arrays) == set(expected)
    assert all(np.array_equal(arrays[name], array) for name, array in expected.items())
    other = LSTM(3, 4, 2, bidirectional=True, seed=1, device="cpu")
    other.load_state_dict(arrays)
    assert all(np.array_equal(array, state[name]) for name, array in other.state_dict().items())


def test_a_dataset_of_a_file(tmp_path):
    x = np.random.default_rng(0).standard_normal((4, 5, 3)).astype(np.float32)
    lengths, labels = np.array([2, 5, 1, 3]), np.array([1, 0, 2, 1])
    write_tensors(tmp_path / "d.safetensors", {"x": x, "length": lengths, "label": labels})
    dataset = Dataset.open(tmp_path / "d.safetensors", step_multiple=3)
    assert (len(dataset), dataset.features, dataset.classes) == (4, 3, 3)
    assert dataset.lengths == lengths.tolist()
    batch = dataset.batch([3, 1])
    assert batch.input.shape == (6, 2, 3)
    assert batch.lengths.tolist() == [3, 5] and batch.labels.tolist() == [1, 0]
    assert np.array_equal(batch.input[:3, 0], x[3, :3]) and not batch.input[3:, 0].any()
    assert np.array_equal(batch.input[:5, 1], x[1]) and not batch.input[5:, 1].any()
    assert Dataset.open(tmp_path / "d.safetensors").batch([3, 1]).input.shape == (5, 2, 3)
    write_tensors(tmp_path / "e.safetensors", {"x": x, "length": lengths})
    with pytest.raises(ValueError, match="label"):
        Dataset.open(tmp_path / "e.safetensors")
    with pytest.raises(ValueError, match="none"):
        Dataset.open(tmp_path / "none.safetensors")


def test_what_memory_does_not_hold_is_a_memory_error():
    # Weights of 2 TiB.
    with pytest.raises(MemoryError) as found:
        LSTM(2**18, 2**18, device="cpu")
    assert found.value.code == "Memory"


def test_state_dicts_are_copies():
    net = LSTM(3, 4, device="cpu")
    x = np.ones((2, 1, 3), np.float32)
    before = net(x)[0]
    state, tensors = net.state_dict(), net.state_dict(as_torch=True)
    for array in state.values():
        array[:] = 0
    for tensor in tensors.values():
        tensor.zero_()
    assert np.array_equal(net(x)[0], before)
    given = {name: np.ones_like(array) for name, array in state.items()}
    net.load_state_dict(given)
    after = net(x)[0]
    given["weight_ih_l0"][:] = 0
    assert np.array_equal(net(x)[0], after) and not np.array_equal(after, before)
    assert torch.equal(net.state_dict(as_torch=True)["weight_ih_l0"], torch.ones(16, 3))
