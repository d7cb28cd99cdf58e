"""Arguments that are refused, each with its sentence and code; what is pickled and printed."""

import copy
import pickle

import numpy as np
import pytest
import torch

import wgpu_rnn
from wgpu_rnn import GRU, LSTM, RNN, Clip, Dataset, Head, Loader, Loss, Optimizer, Schedule, Stack, Streams
from wgpu_rnn import Trainer as AnyTrainer

CPU = {"device": "cpu"}
X = np.ones((4, 2, 3), np.float32)


def lstm(**options):
    return LSTM(3, 4, **{**CPU, **options})


def dataset(**options):
    return Dataset([np.ones((2, 3), np.float32)] * 4, [0, 1, 0, 1], **options)


def trainer(head="max", loss=None, network=None, **options):
    head = Head(head, 2) if isinstance(head, str) else head
    return AnyTrainer(network or lstm(), head, loss or Loss.cross_entropy(), Optimizer.sgd(0.1), **options)


def packed(hx):
    sequences = [torch.ones(4, 3), torch.ones(2, 3)]
    return lstm()(torch.nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False), hx)


def saved_one():
    return lstm().forward_saved(X[:, 0])[1]


class Named:
    def __repr__(self):
        return "torch.device('cpu')"


REFUSED = {
    # Options.
    "bias: expected True or False, found 1": lambda: lstm(bias=1),
    "batch_first: expected True or False, found 'yes'": lambda: lstm(batch_first="yes"),
    "cell_clip: expected a pair of numbers, found 3.0": lambda: lstm(cell_clip=3.0),
    "cell_clip: expected a number, found 'a'": lambda: lstm(cell_clip=("a", 1.0)),
    "activations: expected a sequence of texts, found 'tanh'": lambda: lstm(activations="tanh"),
    "merge: expected a text, found 3": lambda: lstm(merge=3),
    "num_layers: expected a whole number, found 'a'": lambda: lstm(num_layers="a"),
    "num_layers: expected at least 1, found 0": lambda: lstm(num_layers=0),
    "preactivation_clip: expected a number, found 'a'": lambda: lstm(preactivation_clip="a"),
    "forget_bias: expected a finite number of float32, found nan": lambda: lstm(forget_bias=float("nan")),
    "forget_bias: expected a finite number of float32, found 1e+300": lambda: lstm(forget_bias=1e300),
    "dropout: expected a probability from 0 to 1, found 2": lambda: lstm(dropout=2),
    "input_size: expected at least 1, found 0": lambda: LSTM(0, 5),
    "hidden_size: expected at most": lambda: LSTM(3, 2**70),
    "seed: expected at most 18446744073709551615": lambda: lstm(seed=2**64),
    "seed: expected at least 0, found -1": lambda: lstm(seed=-1),
    "nonlinearity: expected a text, found 3": lambda: RNN(3, 4, 1, 3, **CPU),
    "option 'layers': expected an option of an LSTM (activations": lambda: lstm(layers=2),
    "option 'reset': expected an option of an LSTM": lambda: lstm(reset="before"),
    "option 'peepholes': expected an option of a GRU": lambda: GRU(3, 4, peepholes=True),
    "dtype: expected a text, found": lambda: lstm(dtype=np.float32),
    # Devices.
    "device: expected a text: auto, gpu, gpu:ADAPTER, cpu or reference, found 0": lambda: lstm(device=0),
    "gpu:ADAPTER, cpu or reference, found None": lambda: lstm(device=None),
    "gpu:ADAPTER, cpu or reference, found device(type='cpu')": lambda: lstm(device=torch.device("cpu")),
    "device: expected gpu: and a part of an adapter's name, not its number, found 'gpu:0'": lambda: lstm(
        device="gpu:0"
    ),
    "not its number, found 'gpu:1'": lambda: wgpu_rnn.engine_name("gpu:1"),
    # Stacks.
    "layer 0: expected at least 1, found -1": lambda: Stack(3, [("lstm", -1)], **CPU),
    "layer 1: expected a pair of a cell and a hidden size, found 'gru'": lambda: Stack(
        3, [("lstm", 2), "gru"], **CPU
    ),
    "layers: expected a sequence of pairs": lambda: Stack(3, 5, **CPU),
    # Calls.
    "lengths: expected whole numbers, found 1.7": lambda: lstm()(X, lengths=[1.7, 2.9]),
    "lengths: expected whole numbers, found 2.0": lambda: lstm()(X, lengths=torch.tensor([2.0, 1.0])),
    "lengths: expected whole numbers, found nan": lambda: lstm()(X, lengths=[float("nan"), 2]),
    "lengths: expected whole numbers, found 'a'": lambda: lstm()(X, lengths=["a", "b"]),
    "lengths: expected whole numbers, found True": lambda: lstm()(X, lengths=[True, 2]),
    "lengths: expected a sequence of whole numbers, found '12'": lambda: lstm()(X, lengths="12"),
    "lengths: expected a sequence of whole numbers, found {1: 2, 3: 4}": lambda: lstm()(
        X, lengths={1: 2, 3: 4}
    ),
    "lengths: expected at most": lambda: lstm()(X, lengths=[2**70, 2]),
    "h_0: expected [L*D, N, H] with N 2, found [1, 3, 4]": lambda: packed((torch.ones(1, 3, 4),) * 2),
    "h_0: expected [L*D, N, H] with N 2, found [1, 1, 4]": lambda: packed((torch.ones(1, 1, 4),) * 2),
    "hx: expected a pair (h_0, c_0), found one ndarray": lambda: lstm()(X, X),
    "input: expected an array of NumPy or PyTorch": lambda: lstm()([1]),
    "drop: expected at least 0, found -1": lambda: lstm().forward_saved(X, drop=-1),
    "drop: expected at most 4294967295": lambda: lstm().forward_saved(X, drop=2**32),
    "gradient by h_n: expected 2 axes, as of the result, found 3": lambda: saved_one().backward(
        h_n=np.ones((1, 1, 4), np.float32)
    ),
    "frozen: expected at least 0, found -1": lambda: saved_one().backward(frozen=[-1]),
    "wants_input: expected True or False": lambda: saved_one().backward(wants_input="no"),
    "steps: expected at least 0, found -1": lambda: lstm().warm_up(-1, 1),
    "batch: expected at least 0, found -1": lambda: lstm().warm_up(1, -1),
    # Weights and files.
    "state_dict: expected arrays by name, found None": lambda: lstm().load_state_dict(None),
    "naming: expected a text": lambda: lstm().save("w.npz", naming=1),
    "naming: expected pytorch or gluon": lambda: lstm().save("w.npz", naming="keras"),
    "path: expected a file in a folder that exists, found": lambda: lstm().save("no such folder/w.npz"),
    "path: expected a path, found 3": lambda: lstm().save(3),
    "path: expected a name that ends in .safetensors, found 'a.npz'": lambda: trainer().save("a.npz"),
    "path: expected a name that ends in .safetensors, found 'a'": lambda: trainer().save("a"),
    "ends in .safetensors, found 'a.pt'": lambda: trainer().save_checkpoint("a.pt"),
    "beside: expected what JSON holds, found nan": lambda: trainer().save_checkpoint("a", float("nan")),
    "beside: expected what JSON holds, found {1, 2}": lambda: trainer().save_checkpoint("a", {1, 2}),
    "file: expected a path, found None": lambda: wgpu_rnn.load(None),
    # Rules.
    "outputs: expected at least 1, found 0": lambda: Head("mean", 0),
    "reads: expected a text, found 1": lambda: Head(1, 2),
    "reads: expected last_states, mean, max or every_step, found 'first'": lambda: Head("first", 2),
    "class_weights: expected a sequence of numbers, found 1.0": lambda: Loss.cross_entropy(1.0),
    "class_weights: expected a finite number of float32, found inf": lambda: Loss.cross_entropy(
        [float("inf")]
    ),
    "ignored: expected a whole number, found 1.5": lambda: Loss.cross_entropy(ignored=1.5),
    "ignored: expected at most 2147483647": lambda: Loss.cross_entropy(ignored=2**40),
    "label_smoothing: expected a number, found 'a'": lambda: Loss.cross_entropy(label_smoothing="a"),
    "blank: expected at least 0, found -1": lambda: Loss.ctc(-1),
    "zero_infinity: expected True or False, found 1": lambda: Loss.ctc(zero_infinity=1),
    "delta: expected a number, found None": lambda: Loss.huber(None),
    "lr: expected a number, found '0.1'": lambda: Optimizer.sgd("0.1"),
    "lr: expected a finite number": lambda: Optimizer.adam(float("nan")),
    "betas: expected a pair of numbers, found 0.9": lambda: Optimizer.adam(betas=0.9),
    "nesterov: expected True or False, found 1": lambda: Optimizer.sgd(0.1, nesterov=1),
    "max: expected a number, found None": lambda: Clip.norm(None),
    "every: expected at least 0, found -1": lambda: Schedule.step(-1, 0.1),
    "steps: expected a whole number, found 1.5": lambda: Schedule.cosine(1.5),
    "patience: expected a whole number, found None": lambda: Schedule.plateau(patience=None),
    # Trainers.
    "network: expected a Network of wgpu_rnn, found 3": lambda: trainer(network=3),
    "head: expected a Head of wgpu_rnn, found 7": lambda: trainer(head=7),
    "loss: expected a Loss of wgpu_rnn, found 'ctc'": lambda: trainer(loss="ctc"),
    "clip: expected a Clip of wgpu_rnn, found 1.0": lambda: trainer(clip=1.0),
    "schedule: expected a Schedule of wgpu_rnn, found 'step'": lambda: trainer(schedule="step"),
    "accumulate: expected at least 1, found -1": lambda: trainer(accumulate=-1),
    "carry_states: expected True or False": lambda: trainer(carry_states="no"),
    "dropout_seed: expected at least 0, found -1": lambda: trainer(dropout_seed=-1),
    "reduce: expected a function of an array, found 3": lambda: trainer(reduce=3),
    "metric: expected a number, found None": lambda: trainer().observe(None),
    # Datasets and loaders.
    "step_multiple: expected at least 1, found 0": lambda: dataset(step_multiple=0),
    "labels: expected at least 0, found -1": lambda: Dataset([X[:, 0]], [-1]),
    "labels: expected whole numbers, found 1.7": lambda: Dataset([X[:, 0]], [1.7]),
    "labels: expected at most 2147483647": lambda: Dataset([X[:, 0]], [2**40]),
    "sequences: expected a sequence of arrays": lambda: Dataset(3, [1]),
    "places: expected at least 0, found -1": lambda: dataset().batch([-1]),
    "batch_size: expected at least 1, found -1": lambda: Loader(dataset(), -1),
    "dataset: expected a Dataset of wgpu_rnn": lambda: Loader([1], 1),
    "shuffle: expected True or False": lambda: Loader(dataset(), 1, shuffle="no"),
    "epoch: expected at least 0, found -1": lambda: Loader(dataset(), 1).places(-1),
    "capacity: expected at least 1, found -1": lambda: Streams(lstm(), -1),
    "stream: expected a Stream of wgpu_rnn, found 1": lambda: Streams(lstm(), 1).call([(1, X[:, 0])]),
    "steps: expected pairs of a stream and an array, found 1": lambda: Streams(lstm(), 1).call([1]),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_an_argument_that_does_not_fit_is_named(sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, TypeError)) as found:
        REFUSED[sentence]()
    assert sentence in str(found.value)
    assert found.value.code == "Argument"
    assert list(tmp_path.iterdir()) == []


CLASSES = (
    "targets: expected classes [N] or [T, N] of whole numbers, or numbers [N, C] or [T, N, C] of float32"
)
TARGETS = [
    (Loss.cross_entropy(), [0.0, 1.0], f"{CLASSES}, found float32 of shape [2]"),
    (Loss.cross_entropy(), np.zeros((2, 2)), f"{CLASSES}, found float64 of shape [2, 2]"),
    (Loss.cross_entropy(), np.array([True, False]), f"{CLASSES}, found bool of shape [2]"),
    (Loss.cross_entropy(), [[0], [1, 2]], f"{CLASSES}, found "),
    (Loss.cross_entropy(), [2**40, 0], "targets: expected classes of 32 bits, found larger ones"),
    (Loss.cross_entropy(), [2**70, 0], f"{CLASSES}, found object of shape [2]"),
    (Loss.cross_entropy(), None, "targets: expected an array"),
    (Loss.ctc(), [[1.7], [2.9]], "label 0: expected whole numbers, found 1.7"),
    (Loss.ctc(), [[0], [-1]], "label 1: expected at least 0, found -1"),
    (Loss.ctc(), 3, "targets: expected a label for each sequence"),
    (Loss.ctc(), [1, 2], "label 0: expected a sequence of whole numbers, found 1"),
]


@pytest.mark.parametrize("loss, targets, sentence", TARGETS)
def test_targets_that_do_not_fit_are_named(loss, targets, sentence):
    with pytest.raises(ValueError) as found:
        trainer("every_step" if loss._name == "ctc" else "max", loss).step(X, targets)
    assert sentence in str(found.value)
    assert found.value.code == "Argument"


def test_targets_of_other_kinds():
    cases = [
        (Loss.cross_entropy(), [0, 1], [torch.tensor(0), torch.tensor(1)]),
        (Loss.cross_entropy(), [0, 1], (np.int64(0), np.uint8(1))),
        (Loss.mean_squared(), np.array([[0, 1], [2, 3]], np.float32), [[0.0, 1.0], [2.0, 3.0]]),
        (
            Loss.mean_squared(),
            np.array([[0, 1], [2, 3]], np.float32),
            [torch.arange(2.0), torch.arange(2.0, 4)],
        ),
        (Loss.ctc(), [[1, 1], [1, 0]], np.array([[1, 1], [1, 0]])),
        (Loss.ctc(), [[1], [0]], [torch.tensor([1]), np.array([0])]),
    ]
    for loss, plain, other in cases:
        made = trainer("every_step" if loss._name == "ctc" else "max", loss)
        if loss._name == "ctc":
            made = trainer(Head("every_step", 3), Loss.ctc(2))
        assert made.evaluate(X, plain) == made.evaluate(X, other)


STATE = [
    ("real numbers, found an array of <U1", lambda array: np.full(array.shape, "a")),
    ("real numbers, found an array of bool", lambda array: array > 0),
    ("real numbers, found an array of complex128", lambda array: array * 1j * np.ones(1, np.float64)),
    ("numbers that float32 can hold, found larger ones", lambda array: np.full(array.shape, 1e300)),
]


@pytest.mark.parametrize("sentence, change", STATE)
def test_weights_that_are_no_numbers_of_the_network(sentence, change):
    net = lstm()
    before = net.state_dict()
    with pytest.raises(ValueError) as found:
        net.load_state_dict({**before, "weight_ih_l0": change(before["weight_ih_l0"])})
    assert sentence in str(found.value) and str(found.value).startswith("weight_ih_l0: expected")
    assert all(np.array_equal(array, before[name]) for name, array in net.state_dict().items())


@pytest.mark.parametrize(
    "name",
    ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional", "proj_size", "dtype"],
)
def test_sizes_and_options_are_read_only(name):
    net = lstm()
    with pytest.raises(AttributeError):
        setattr(net, name, getattr(net, name))
    net.settings["batch_first"] = True
    assert not net.batch_first
    with pytest.raises(AttributeError):
        RNN(3, 4, **CPU).nonlinearity = "relu"


RULES = [
    Head("mean", 3, seed=4),
    Loss.cross_entropy([1.0, 2.0], ignored=1, label_smoothing=0.5),
    Loss.binary_cross_entropy([1.0]),
    Loss.mean_squared(),
    Loss.huber(0.5),
    Loss.ctc(1, zero_infinity=True),
    Optimizer.sgd(0.1, momentum=0.5, dampening=0.25, weight_decay=0.125),
    Optimizer.adam(0.1, betas=(0.5, 0.25), eps=0.125, weight_decay=0.5, amsgrad=True),
    Optimizer.adamw(0.1),
    Optimizer.rmsprop(0.1, centered=True),
    Clip.norm(0.5),
    Clip.value(0.5),
    Schedule.constant(warm_up=2),
    Schedule.step(3, 0.5),
    Schedule.cosine(3, 0.5, warm_up=1),
    Schedule.plateau(patience=2, maximize=True),
]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_rules_print_as_the_call_that_makes_them_and_are_pickled(rule):
    # The oracle is Python: what is printed makes the same again.
    for other in (eval(repr(rule)), pickle.loads(pickle.dumps(rule)), copy.deepcopy(rule)):
        assert type(other) is type(rule)
        assert repr(other) == repr(rule)
        assert other._arguments == rule._arguments


def test_printed():
    stack = Stack(3, (layer for layer in [("lstm", 4), ("gru", 2)]), **CPU)
    assert repr(stack) == "Stack(3, [('lstm', 4), ('gru', 2)])"
    assert repr(dataset()) == "<Dataset of 4 sequences, 3 features, 2 classes>"
    assert repr(Optimizer.sgd(0.1)).startswith("Optimizer.sgd(lr=0.1, momentum=0.0, ")
    found = repr(trainer(clip=Clip.norm(0.5)))
    assert found.startswith("Trainer(LSTM(3, 4), head=Head('max', 2, seed=0), loss=Loss.cross_entropy(")
    assert found.endswith(", clip=Clip.norm(max=0.5))")


class Tagged(LSTM):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.tag = "a"


def test_subclasses_are_loaded_pickled_and_copied(tmp_path):
    net = Tagged(3, 4, **CPU)
    net.tag = "b"
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert type(other) is Tagged and other.tag == "b"
        assert np.array_equal(other(X)[0], net(X)[0])
    net.save(tmp_path / "w.safetensors")
    found = Tagged.load(tmp_path / "w.safetensors", **CPU)
    assert type(found) is Tagged and np.array_equal(found(X)[0], net(X)[0])
    with pytest.raises(ValueError, match="expected a network of GRU, found LSTM"):
        GRU.load(tmp_path / "w.safetensors", **CPU)


def test_the_dropout_of_a_file_s_network_is_checked(tmp_path):
    LSTM(3, 4, 2, **CPU).save(tmp_path / "w.safetensors")
    assert wgpu_rnn.load(tmp_path / "w.safetensors", dropout=0.25, **CPU).dropout == 0.25
    for dropout in (5, -0.1, True, "0.5"):
        with pytest.raises(ValueError, match="dropout: expected a probability"):
            wgpu_rnn.load(tmp_path / "w.safetensors", dropout=dropout, **CPU)
    with pytest.raises(TypeError, match="num_layers: expected a whole number, found 'a'"):
        wgpu_rnn.load(tmp_path / "w.safetensors", num_layers="a", **CPU)
