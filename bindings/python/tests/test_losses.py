"""Every argument of every loss and head: value and gradient, against torch.nn.functional in f64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from common import near
from twin import Twin, numbers

import wgpu_rnn
from wgpu_rnn import Loss, Optimizer

STEPS, BATCH, CLASSES = 7, 4, 5
LENGTHS = [7, 3, 5, 6]
RANDOM = np.random.default_rng(3)
LABELS = RANDOM.integers(0, CLASSES, BATCH)
STEP_LABELS = RANDOM.integers(0, CLASSES, (STEPS, BATCH))
NUMBERS = 2 * numbers(BATCH, CLASSES, seed=4)
STEP_NUMBERS = 2 * numbers(STEPS, BATCH, CLASSES, seed=5)
SHARES = RANDOM.random((BATCH, CLASSES)).astype(np.float32)
WEIGHTS = [0.5, 2.0, 1.0, 3.0, 0.25]


def valid(lengths):
    return torch.arange(STEPS)[:, None] < torch.tensor(lengths)[None]


def of_classes(targets, **arguments):
    """Cross-entropy of predictions [1, N, C], or of the valid ones of [T, N, C]."""
    weight = arguments.pop("weight", None)
    weight = None if weight is None else torch.tensor(weight, dtype=torch.float64)

    def loss(predictions, lengths):
        labels = torch.from_numpy(np.asarray(targets)).long()
        if labels.ndim == 1:
            return F.cross_entropy(predictions[0], labels, weight=weight, **arguments)
        kept = valid(lengths)
        return F.cross_entropy(predictions[kept], labels[kept], weight=weight, **arguments)

    return loss


def of_numbers(function, targets, **arguments):
    """A loss of numbers, of predictions [1, N, C] or of the valid ones of [T, N, C]."""
    arguments = {
        name: torch.tensor(value, dtype=torch.float64) if isinstance(value, list) else value
        for name, value in arguments.items()
    }

    def loss(predictions, lengths):
        wanted = torch.from_numpy(targets).double()
        if wanted.ndim == 2:
            return function(predictions[0], wanted, **arguments)
        kept = valid(lengths)
        return function(predictions[kept], wanted[kept], **arguments)

    return loss


def of_labels(labels, **arguments):
    def loss(predictions, lengths):
        flat = torch.tensor([number for label in labels for number in label])
        sizes = torch.tensor([len(label) for label in labels])
        rows = predictions.log_softmax(2)
        return F.ctc_loss(rows, flat, torch.tensor(lengths), sizes, **arguments)

    return loss


IGNORED = np.where(STEP_LABELS == 2, -100, STEP_LABELS)
SHORT = [[1, 2], [3], [1, 1, 2], [4]]
# Blank 2 is no class of these.
OTHER = [[1, 0], [3], [1, 1, 0], [4]]
# The second has 3 steps, too few for two pairs of equal classes.
LONG = [[1, 2], [1, 1, 1], [1, 1, 2], [4]]
CASES = {
    "cross_entropy": ("last_states", Loss.cross_entropy(), LABELS, of_classes(LABELS)),
    "mean": ("mean", Loss.cross_entropy(), LABELS, of_classes(LABELS)),
    "max": ("max", Loss.cross_entropy(), LABELS, of_classes(LABELS)),
    "every_step": ("every_step", Loss.cross_entropy(), STEP_LABELS, of_classes(STEP_LABELS)),
    "class_weights": (
        "every_step",
        Loss.cross_entropy(WEIGHTS),
        STEP_LABELS,
        of_classes(STEP_LABELS, weight=WEIGHTS),
    ),
    "ignored, -100": ("every_step", Loss.cross_entropy(), IGNORED, of_classes(IGNORED)),
    "ignored": (
        "every_step",
        Loss.cross_entropy(ignored=3),
        STEP_LABELS,
        of_classes(STEP_LABELS, ignore_index=3),
    ),
    "label_smoothing": (
        "last_states",
        Loss.cross_entropy(label_smoothing=0.3),
        LABELS,
        of_classes(LABELS, label_smoothing=0.3),
    ),
    "all of cross_entropy": (
        "every_step",
        Loss.cross_entropy(WEIGHTS, ignored=1, label_smoothing=0.2),
        STEP_LABELS,
        of_classes(STEP_LABELS, weight=WEIGHTS, ignore_index=1, label_smoothing=0.2),
    ),
    "binary_cross_entropy": (
        "mean",
        Loss.binary_cross_entropy(),
        SHARES,
        of_numbers(F.binary_cross_entropy_with_logits, SHARES),
    ),
    "positive_weights": (
        "mean",
        Loss.binary_cross_entropy(WEIGHTS),
        SHARES,
        of_numbers(F.binary_cross_entropy_with_logits, SHARES, pos_weight=WEIGHTS),
    ),
    "mean_squared": ("max", Loss.mean_squared(), NUMBERS, of_numbers(F.mse_loss, NUMBERS)),
    "mean_squared, every step": (
        "every_step",
        Loss.mean_squared(),
        STEP_NUMBERS,
        of_numbers(F.mse_loss, STEP_NUMBERS),
    ),
    "huber": ("last_states", Loss.huber(), NUMBERS, of_numbers(F.huber_loss, NUMBERS)),
    "delta": ("last_states", Loss.huber(0.4), NUMBERS, of_numbers(F.huber_loss, NUMBERS, delta=0.4)),
    "ctc": ("every_step", Loss.ctc(), SHORT, of_labels(SHORT)),
    "blank": ("every_step", Loss.ctc(2), OTHER, of_labels(OTHER, blank=2)),
    "zero_infinity": (
        "every_step",
        Loss.ctc(zero_infinity=True),
        LONG,
        of_labels(LONG, zero_infinity=True),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_of_pytorch(case, device):
    reads, loss, targets, oracle = CASES[case]
    net = wgpu_rnn.LSTM(3, 6, bidirectional=True, seed=2, device=device)
    twin = Twin(net, reads, CLASSES, loss, Optimizer.sgd(1.0))
    x = numbers(STEPS, BATCH, 3, seed=1)
    predictions = twin.predict(x, LENGTHS)
    found = twin.trainer.predict(x, lengths=LENGTHS)
    kept = valid(LENGTHS).numpy() if reads == "every_step" else np.ones((1, BATCH), bool)
    near(found[kept], predictions.detach().numpy()[kept], 1e-5)
    expected = oracle(predictions, LENGTHS)
    expected.backward()
    value = twin.trainer.evaluate(x, targets, lengths=LENGTHS)
    near(value.loss, expected.item(), 1e-5, "loss")
    # A step of SGD of rate 1 takes the gradient off the weights.
    before = twin.trainer.state_dict()
    reports = twin.trainer.step(x, targets, lengths=LENGTHS) + twin.trainer.finish()
    near(reports[0].loss, expected.item(), 1e-5, "loss")
    after = twin.trainer.state_dict()
    for name, parameter in twin.parameters().items():
        near(before[name].astype(np.float64) - after[name], parameter.grad, 1e-5, name)


def test_a_label_that_is_too_long_is_an_error(device):
    net = wgpu_rnn.LSTM(3, 6, device=device)
    twin = Twin(net, "every_step", CLASSES, Loss.ctc(), Optimizer.sgd(1.0))
    x = numbers(STEPS, BATCH, 3, seed=1)
    assert torch.isinf(of_labels(LONG)(twin.predict(x, LENGTHS), LENGTHS))
    before = twin.trainer.state_dict()
    with pytest.raises(RuntimeError) as found:
        twin.trainer.step(x, LONG, lengths=LENGTHS)
        twin.trainer.finish()
    assert found.value.code == "NotFinite"
    assert all(np.array_equal(array, before[name]) for name, array in twin.trainer.state_dict().items())


def test_rows_and_right_ones(device):
    net = wgpu_rnn.LSTM(3, 6, device=device)
    twin = Twin(net, "every_step", CLASSES, Loss.cross_entropy(ignored=3), Optimizer.sgd(1.0))
    x = numbers(STEPS, BATCH, 3, seed=1)
    value = twin.trainer.evaluate(x, STEP_LABELS, lengths=LENGTHS)
    kept = valid(LENGTHS).numpy() & (STEP_LABELS != 3)
    guesses = twin.predict(x, LENGTHS).argmax(2).numpy()
    assert value.rows == kept.sum()
    assert value.right == (guesses == STEP_LABELS)[kept].sum()
