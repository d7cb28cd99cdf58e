"""The trainer, against a loop of PyTorch's; checkpoints; ranks."""

import threading

import numpy as np
import pytest
import torch
from common import near

import wgpu_rnn
from wgpu_rnn import Clip, Dataset, Head, Loader, Loss, Optimizer, Schedule, Trainer


def sequences(count=24, features=5, seed=0):
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 10, count)
    arrays = [random.standard_normal((length, features)).astype(np.float32) for length in lengths]
    return arrays, [int(array[:, 0].sum() > 0) for array in arrays]


RULES = {
    "sgd": (
        lambda: Optimizer.sgd(0.1, momentum=0.9, weight_decay=1e-3, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=1e-3, nesterov=True),
    ),
    "adam": (lambda: Optimizer.adam(0.01), lambda p: torch.optim.Adam(p, 0.01)),
    "adamw": (
        lambda: Optimizer.adamw(0.01, betas=(0.8, 0.99), amsgrad=True),
        lambda p: torch.optim.AdamW(p, 0.01, betas=(0.8, 0.99), amsgrad=True),
    ),
    "rmsprop": (
        lambda: Optimizer.rmsprop(0.01, momentum=0.5, centered=True),
        lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.5, centered=True),
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_curves_are_those_of_pytorch(rule, device):
    dataset = Dataset(*sequences())
    lstm = wgpu_rnn.LSTM(5, 9, bidirectional=True, device=device)
    made, other = RULES[rule]
    trainer = Trainer(
        lstm, Head("last_states", 2), Loss.cross_entropy(label_smoothing=0.1), made(), clip=Clip.norm(0.5)
    )
    module = torch.nn.LSTM(5, 9, bidirectional=True).double()
    head = torch.nn.Linear(18, 2).double()
    state = {name: torch.from_numpy(array) for name, array in trainer.state_dict().items()}
    head.weight.data.copy_(state.pop("head.weight"))
    head.bias.data.copy_(state.pop("head.bias"))
    module.load_state_dict(state)
    parameters = [*module.parameters(), *head.parameters()]
    optimizer = other(parameters)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    found, expected = [], []
    for epoch in range(8):
        for batch in Loader(dataset, 6, seed=1).epoch(epoch):
            found += trainer.step(batch.input, batch.labels, lengths=batch.lengths)
            optimizer.zero_grad()
            x = torch.from_numpy(batch.input).double()
            packed = torch.nn.utils.rnn.pack_padded_sequence(
                x, torch.from_numpy(batch.lengths), enforce_sorted=False
            )
            _, (h_n, _) = module(packed)
            loss = loss_of(head(torch.cat([h_n[0], h_n[1]], 1)), torch.from_numpy(batch.labels).long())
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(parameters, 0.5)
            optimizer.step()
            expected.append((loss.item(), norm.item()))
    found += trainer.finish()
    assert [report.step for report in found] == list(range(1, len(expected) + 1))
    near([report.loss for report in found], [loss for loss, _ in expected], 1e-4)
    near([report.norm for report in found], [norm for _, norm in expected], 1e-3)
    assert "loss=" in repr(found[0])
    value = trainer.evaluate(batch.input, batch.labels, lengths=batch.lengths)
    predictions = trainer.predict(batch.input, lengths=batch.lengths)
    assert predictions.shape == (1, len(batch.labels), 2)
    assert value.rows == len(batch.labels)
    assert value.right == (predictions[0].argmax(1) == batch.labels).sum()


def made(device, **rest):
    gru = wgpu_rnn.GRU(5, 8, num_layers=2, dropout=0.3, device=device)
    rest.setdefault("schedule", Schedule.cosine(30, warm_up=3))
    return Trainer(gru, Head("mean", 2, seed=1), Loss.cross_entropy(), Optimizer.adamw(0.01), **rest)


def test_a_checkpoint_goes_on_with_the_same_bits(device, tmp_path):
    dataset = Dataset(*sequences(), step_multiple=4)
    loader = Loader(dataset, 8, buckets=2)

    def run(trainer, epochs):
        for epoch in epochs:
            for batch in loader.epoch(epoch):
                assert batch.input.shape[0] % 4 == 0
                trainer.step(batch.input, batch.labels, lengths=batch.lengths)
        trainer.finish()
        return trainer

    whole = run(made(device), range(4)).state_dict()
    run(made(device), range(2)).save_checkpoint(tmp_path / "run.safetensors", {"epoch": 2, "names": ["ü"]})
    trainer = made(device)
    assert trainer.restore(tmp_path / "run.safetensors") == {"epoch": 2, "names": ["ü"]}
    again = run(trainer, range(2, 4))
    for name, array in again.state_dict().items():
        assert np.array_equal(array, whole[name]), name
    again.save(tmp_path / "weights.safetensors")
    found = wgpu_rnn.load(tmp_path / "weights.safetensors", device=device)
    assert np.array_equal(found.state_dict()["weight_hh_l1"], whole["weight_hh_l1"])
    with pytest.raises(ValueError, match="optimizer"):
        gru = wgpu_rnn.GRU(5, 8, num_layers=2, dropout=0.3, device=device)
        other = Trainer(gru, Head("mean", 2), Loss.cross_entropy(), Optimizer.sgd(0.01))
        other.restore(tmp_path / "run.safetensors")


def test_ranks_learn_as_one(device):
    arrays, labels = sequences(8)
    dataset = Dataset(arrays, labels)
    barrier, sums, shared = threading.Barrier(2), [None, None], []

    def train(rank):
        def reduce(numbers):
            sums[rank] = numbers.copy()
            barrier.wait()
            total = sums[0] + sums[1]
            barrier.wait()
            numbers[:] = total

        trainer = made(device, reduce=reduce, schedule=None)
        for epoch in range(3):
            for batch in Loader(dataset, 4, rank=rank, world=2).epoch(epoch):
                trainer.step(batch.input, batch.labels, lengths=batch.lengths)
        shared.append(trainer.state_dict())

    threads = [threading.Thread(target=train, args=(rank,)) for rank in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(shared) == 2
    for name, array in shared[0].items():
        assert np.array_equal(array, shared[1][name]), name


def test_a_reduction_that_fails_is_the_error_of_the_step(device):
    def reduce(numbers):
        raise OSError("no ranks")

    trainer = made(device, reduce=reduce)
    before = trainer.state_dict()
    with pytest.raises(RuntimeError, match="no ranks"):
        trainer.step(np.ones((4, 2, 5), np.float32), [0, 1])
    assert all(np.array_equal(array, before[name]) for name, array in trainer.state_dict().items())


def test_targets_that_do_not_fit(device):
    # Those that do are in test_losses.py, with PyTorch's numbers.
    x = np.random.default_rng(0).standard_normal((6, 3, 4)).astype(np.float32)
    net = wgpu_rnn.LSTM(4, 6, device=device)
    trainer = Trainer(net, Head("max", 2), Loss.cross_entropy(), Optimizer.adam())
    for targets, sentence in [
        ([0, 1], "targets"),
        ([0, 1, 2], "targets"),
        (np.array([2**40, 0, 0]), "32 bits"),
        (np.ones((3, 2)), "targets"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            trainer.step(x, targets)
    with pytest.raises(ValueError, match="reads: expected last_states"):
        Head("first", 2)
    with pytest.raises(ValueError, match="learning_rate"):
        Trainer(net, Head("max", 2), Loss.cross_entropy(), Optimizer.adam(-1.0))


def test_carried_states_and_plateaus(device):
    rnn = wgpu_rnn.RNN(4, 6, device=device)
    x = np.ones((3, 2, 4), np.float32)
    schedule = Schedule.plateau(patience=0, factor=0.5)
    trainer = Trainer(
        rnn,
        Head("every_step", 2),
        Loss.cross_entropy(),
        Optimizer.sgd(1.0),
        schedule=schedule,
        carry_states=True,
        accumulate=2,
    )
    classes = np.zeros((3, 2), np.int64)
    trainer.step(x, classes)
    reports = trainer.step(x, classes) + trainer.finish()
    assert [report.learning_rate for report in reports] == [1.0] and reports[0].rows == 12
    trainer.observe(1.0)
    trainer.observe(1.0)
    trainer.reset_states()
    trainer.step(x, classes)
    reports = trainer.step(x, classes) + trainer.finish()
    assert reports[0].learning_rate == 0.5
    assert trainer.engine == rnn.engine
