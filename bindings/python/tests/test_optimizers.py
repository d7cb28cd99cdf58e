"""Every argument of optimisers, clips and schedules, against torch.optim."""

import numpy as np
import pytest
import torch
from common import near
from twin import Twin, numbers

import wgpu_rnn
from wgpu_rnn import Clip, Loss, Optimizer, Schedule

RULES = {
    "sgd": (Optimizer.sgd, torch.optim.SGD),
    "adam": (Optimizer.adam, torch.optim.Adam),
    "adamw": (Optimizer.adamw, torch.optim.AdamW),
    "rmsprop": (Optimizer.rmsprop, torch.optim.RMSprop),
}
# An eps of 0.1 is far from the default, and keeps steps of small gradients small.
CASES = [
    ("sgd", {"lr": 0.3}),
    ("sgd", {"lr": 0.3, "momentum": 0.8}),
    ("sgd", {"lr": 0.3, "momentum": 0.8, "dampening": 0.4}),
    ("sgd", {"lr": 0.3, "weight_decay": 0.2}),
    ("sgd", {"lr": 0.3, "momentum": 0.8, "nesterov": True}),
    ("adam", {"lr": 0.05, "eps": 0.1}),
    ("adam", {"lr": 0.05, "eps": 0.1, "betas": (0.5, 0.999)}),
    ("adam", {"lr": 0.05, "eps": 0.1, "betas": (0.9, 0.6)}),
    ("adam", {"lr": 0.05, "eps": 0.1, "weight_decay": 0.2}),
    ("adam", {"lr": 0.05, "eps": 0.01, "betas": (0.9, 0.3), "amsgrad": True}),
    ("adamw", {"lr": 0.05, "eps": 0.1}),
    ("adamw", {"lr": 0.05, "eps": 0.1, "betas": (0.5, 0.6)}),
    ("adamw", {"lr": 0.05, "eps": 0.1, "weight_decay": 0.5}),
    ("adamw", {"lr": 0.05, "eps": 0.01, "betas": (0.9, 0.3), "amsgrad": True}),
    ("rmsprop", {"lr": 0.05, "eps": 0.1}),
    ("rmsprop", {"lr": 0.05, "eps": 0.1, "alpha": 0.5}),
    ("rmsprop", {"lr": 0.05, "eps": 0.1, "weight_decay": 0.2}),
    ("rmsprop", {"lr": 0.05, "eps": 0.1, "momentum": 0.6}),
    ("rmsprop", {"lr": 0.05, "eps": 0.1, "alpha": 0.5, "centered": True}),
]
LABELS = [0, 2, 1, 1]


def learnt(rule, arguments, device, steps=6, clip=None, clip_theirs=None):
    """Weights of the trainer and of the oracle after some steps, by name."""
    ours, theirs = RULES[rule]
    net = wgpu_rnn.GRU(3, 6, seed=2, device=device)
    twin = Twin(net, "last_states", 3, Loss.cross_entropy(), ours(**arguments), clip=clip)
    parameters = twin.parameters()
    optimizer = theirs(parameters.values(), **arguments)
    for step in range(steps):
        # Gradients of the first steps are the largest, so that amsgrad's maximum is of the past.
        x = numbers(5, 4, 3, seed=step) * (3.0 if step < 2 else 0.3)
        x = x.astype(np.float32)
        twin.trainer.step(x, LABELS)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(twin.predict(x)[0], torch.tensor(LABELS)).backward()
        if clip_theirs is not None:
            clip_theirs(parameters.values())
        optimizer.step()
    twin.trainer.finish()
    return twin.trainer.state_dict(), {name: tensor.detach() for name, tensor in parameters.items()}


@pytest.mark.parametrize("rule, arguments", CASES, ids=str)
def test_steps_are_those_of_pytorch(rule, arguments, device):
    found, expected = learnt(rule, arguments, device)
    for name, tensor in expected.items():
        near(found[name], tensor, 2e-5, name)


@pytest.mark.parametrize("rule", RULES)
def test_defaults_are_those_of_pytorch(rule, device):
    arguments = {} if rule != "sgd" else {"lr": 1e-3}
    # PyTorch 1.13's SGD has no default of lr.
    found, expected = learnt(rule, arguments, device, steps=3)
    for name, tensor in expected.items():
        near(found[name], tensor, 2e-5, name)


@pytest.mark.parametrize("kind", ["norm", "value"])
def test_clips_are_those_of_pytorch(kind, device):
    utils = torch.nn.utils
    clip, theirs = {
        "norm": (Clip.norm(0.02), lambda parameters: utils.clip_grad_norm_(list(parameters), 0.02)),
        "value": (Clip.value(0.004), lambda parameters: utils.clip_grad_value_(list(parameters), 0.004)),
    }[kind]
    found, expected = learnt("sgd", {"lr": 2.0}, device, clip=clip, clip_theirs=theirs)
    for name, tensor in expected.items():
        near(found[name], tensor, 2e-5, name)


def rates(schedule, device, count=12, metrics=()):
    """The learning rates of the trainer's updates; a metric is observed after each."""
    net = wgpu_rnn.RNN(3, 4, device=device)
    twin = Twin(net, "mean", 3, Loss.cross_entropy(), Optimizer.sgd(0.5), schedule=schedule)
    x, reports = numbers(2, 4, 3), []
    for step in range(count):
        # With finish, an observation is of the updates before it on a GPU, too.
        reports += twin.trainer.step(x, LABELS) + twin.trainer.finish()
        if metrics:
            twin.trainer.observe(metrics[step])
    assert [report.step for report in reports] == list(range(1, count + 1))
    return [report.learning_rate for report in reports]


def rates_of_pytorch(make, count=12, metrics=()):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.5)
    scheduler, found = make(optimizer), []
    for step in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([metrics[step]] if metrics else []))
    return found


def test_steps_and_cosines(device):
    lr = torch.optim.lr_scheduler
    near(rates(None, device), [0.5] * 12, 1e-12)
    near(rates(Schedule.constant(), device), [0.5] * 12, 1e-12)
    expected = rates_of_pytorch(lambda optimizer: lr.StepLR(optimizer, 3, 0.4))
    near(rates(Schedule.step(3, 0.4), device), expected, 1e-12)
    expected = rates_of_pytorch(lambda optimizer: lr.CosineAnnealingLR(optimizer, 11, 0.1))
    near(rates(Schedule.cosine(11, 0.1), device), expected, 1e-12)
    expected = rates_of_pytorch(lambda optimizer: lr.CosineAnnealingLR(optimizer, 11))
    near(rates(Schedule.cosine(11), device), expected, 1e-12)


METRICS = [1.0, 0.95, 0.94, 0.2, 0.21, 0.19, 0.22, 0.23, 0.24, 0.25, 0.26, 0.27, 0.28, 0.29, 0.3, 0.31]


@pytest.mark.parametrize(
    "ours, theirs, sign",
    [
        ({"patience": 2}, {"patience": 2}, 1),
        ({"patience": 0}, {"patience": 0}, 1),
        ({"patience": 1, "factor": 0.7}, {"patience": 1, "factor": 0.7}, 1),
        ({"patience": 1, "threshold": 0.1}, {"patience": 1, "threshold": 0.1}, 1),
        ({"patience": 1, "cooldown": 3}, {"patience": 1, "cooldown": 3}, 1),
        ({"patience": 0, "minimum": 0.02}, {"patience": 0, "min_lr": 0.02}, 1),
        ({"patience": 1, "maximize": True}, {"patience": 1, "mode": "max"}, 1),
        ({"patience": 1, "maximize": True}, {"patience": 1, "mode": "max"}, -1),
        ({}, {}, 1),
    ],
    ids=str,
)
def test_plateaus(ours, theirs, sign, device):
    metrics = [sign * metric for metric in METRICS]
    found = rates(Schedule.plateau(**ours), device, len(metrics), metrics)
    make = lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **theirs)  # noqa: E731
    near(found, rates_of_pytorch(make, len(metrics), metrics), 1e-12)


@pytest.mark.parametrize(
    "name, make",
    [
        ("constant", lambda warm_up: Schedule.constant(warm_up=warm_up)),
        ("step", lambda warm_up: Schedule.step(3, 0.4, warm_up=warm_up)),
        ("cosine", lambda warm_up: Schedule.cosine(8, 0.1, warm_up=warm_up)),
        ("plateau", lambda warm_up: Schedule.plateau(warm_up=warm_up)),
    ],
)
def test_a_warm_up(name, make, device):
    # The rate grows to the optimiser's in equal steps; a schedule of updates begins behind them.
    found = rates(make(4), device)
    near(found[:4], [0.125, 0.25, 0.375, 0.5], 1e-12)
    plain = rates(make(0), device)
    near(found[4:], plain[:8], 1e-12)
