"""Makes pytorch_optimizers.safetensors: what torch.optim makes of given gradients, and its clipping, schedules and scales.

Parameters and gradients are numbers of a hash, which tests/optimizers.rs computes too (`uniform`); they are exact in f32. The
metadata holds CASE = settings as JSON, named as the methods of src/train/, with the kind of the case:

- an optimiser's name, at a learning rate of RATE: `f64` are the parameters after the steps STEPS, `f32` after the last one,
  computed in f32.
- `clip`: `gradients` before and `clipped` after clipping, in f64, and of clipping by norm the `norm`.
- `schedule`: `rates`, the learning rates of RATES steps from FIRST_RATE on; of a plateau `metrics` too, each observed after
  its step.
- `loss_scale`: `finite`, 1 or 0 for each step, and the `scales` after it.
"""

import json
import math
import warnings

import numpy
import torch
from safetensors.numpy import save_file

COUNT, STEPS, RATE = 37, (1, 2, 20, 200), 0.01
RATES, FIRST_RATE = 130, 0.05


def uniform(index):
    """A number in [-1, 1), of 24 bits."""
    x = index * 2654435761 & 0xFFFFFFFF
    x = (x ^ x >> 16) * 0x45D9F3B & 0xFFFFFFFF
    return ((x ^ x >> 16) >> 8) / 2 ** 23 - 1


def first_parameters():
    return [0.0 if i == 0 else math.copysign(0.5, uniform(i)) + 0.5 * uniform(i) for i in range(COUNT)]


def gradient(step, i):
    """Of several sizes; number 0 has none, number 1 always the same, number 2 every tenth step."""
    if i == 0 or i == 2 and step % 10 != 0:
        return 0.0
    return 0.25 if i == 1 else uniform(1000 + step * COUNT + i) * 2.0 ** -(i % 5)


OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}
NAMES = {"epsilon": "eps"}


def run(kind, dtype, settings, rates, clip):
    parameter = torch.tensor(first_parameters(), dtype=dtype, requires_grad=True)
    given = {NAMES.get(name, name): value for name, value in settings.items()}
    optimizer = OPTIMIZERS[kind]([parameter], lr=RATE, foreach=False, **given)
    kept = []
    for step in range(1, STEPS[-1] + 1):
        parameter.grad = torch.tensor([gradient(step, i) for i in range(COUNT)], dtype=dtype)
        if "norm" in clip:
            torch.nn.utils.clip_grad_norm_([parameter], clip["norm"])
        if "value" in clip:
            torch.nn.utils.clip_grad_value_([parameter], clip["value"])
        if rates is not None:
            optimizer.param_groups[0]["lr"] = rates[step - 1]
        optimizer.step()
        if step in STEPS:
            kept.append(parameter.detach().numpy().copy())
    return numpy.stack(kept)


def optimizer(kind, schedule=None, clip=None, **settings):
    rates = None if schedule is None else [schedule(step) for step in range(STEPS[-1])]
    found = {
        "f64": run(kind, torch.float64, settings, rates, clip or {}),
        "f32": run(kind, torch.float32, settings, rates, clip or {})[-1],
    }
    assert all(numpy.isfinite(value).all() for value in found.values())
    settings = dict(settings, kind=kind, is_scheduled=schedule is not None, clip=clip or {})
    return settings, found


def clip(gradients, **settings):
    parameter = torch.zeros(len(gradients), dtype=torch.float64, requires_grad=True)
    parameter.grad = torch.tensor(gradients, dtype=torch.float64)
    found = {"gradients": parameter.grad.numpy().copy()}
    if "norm" in settings:
        norm = torch.nn.utils.clip_grad_norm_([parameter], settings["norm"])
        found["norm"] = numpy.array([norm.item()])
    else:
        torch.nn.utils.clip_grad_value_([parameter], settings["value"])
    found["clipped"] = parameter.grad.numpy().copy()
    return dict(settings, kind="clip"), found


def schedule(shape, warm_up=0, **settings):
    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.zeros(1)
    optimizer = torch.optim.SGD([parameter], lr=FIRST_RATE)
    of = torch.optim.lr_scheduler
    if warm_up:
        first = of.LinearLR(optimizer, start_factor=1 / warm_up, total_iters=warm_up - 1)
    if shape == "constant":
        then = of.ConstantLR(optimizer, factor=1.0)
    if shape == "step":
        then = of.StepLR(optimizer, settings["every"], settings["factor"])
    if shape == "cosine":
        then = of.CosineAnnealingLR(optimizer, settings["steps"], settings["minimum"])
    chain = of.SequentialLR(optimizer, [first, then], [warm_up]) if warm_up else then
    rates = []
    for _ in range(RATES):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        chain.step()
    return dict(settings, kind="schedule", shape=shape, warm_up=warm_up), {"rates": numpy.array(rates)}


def plateau(metrics, maximize=False, **settings):
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=FIRST_RATE)
    given = {{"minimum": "min_lr"}.get(name, name): value for name, value in settings.items()}
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max" if maximize else "min", **given)
    rates = []
    for metric in metrics:
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step(metric)
    assert len(set(rates)) > 2, "no reduction"
    found = {"rates": numpy.array(rates), "metrics": numpy.array(metrics)}
    return dict(settings, kind="schedule", shape="plateau", maximize=maximize), found


def loss_scale(finite, **settings):
    scale, tracker = torch.tensor([settings["initial"]]), torch.tensor([0], dtype=torch.int32)
    scales = []
    for is_finite in finite:
        torch._amp_update_scale_(
            scale, tracker, torch.tensor([1.0 - is_finite]), settings["growth"], settings["backoff"], settings["interval"]
        )
        scales.append(scale.item())
    found = {"finite": numpy.array(finite), "scales": numpy.array(scales)}
    return dict(settings, kind="loss_scale"), found


def main():
    torch.set_num_threads(1)
    # SequentialLR warns of its own steps.
    warnings.filterwarnings("ignore")
    cosine = lambda step: 0.001 + (RATE - 0.001) * (1 + math.cos(math.pi * step / 150)) / 2
    numbers = [uniform(i) for i in range(COUNT)]
    falling = [1 / (1 + 0.2 * i) + 0.1 * uniform(i) for i in range(RATES)]
    cases = {
        "sgd": optimizer("sgd"),
        "sgd-decay": optimizer("sgd", weight_decay=0.01),
        "sgd-momentum": optimizer("sgd", momentum=0.9),
        "sgd-dampening": optimizer("sgd", momentum=0.9, dampening=0.3),
        "sgd-nesterov": optimizer("sgd", momentum=0.8, nesterov=True, weight_decay=0.02),
        "sgd-norm": optimizer("sgd", momentum=0.9, clip={"norm": 0.5}),
        "sgd-scheduled": optimizer("sgd", cosine, momentum=0.9),
        "adam": optimizer("adam"),
        "adam-betas": optimizer("adam", betas=[0.7, 0.95]),
        "adam-epsilon": optimizer("adam", epsilon=0.01),
        "adam-decay": optimizer("adam", weight_decay=0.1),
        "adam-amsgrad": optimizer("adam", amsgrad=True, betas=[0.9, 0.9]),
        "adam-value": optimizer("adam", clip={"value": 0.2}),
        "adam-norm": optimizer("adam", clip={"norm": 0.5}, betas=[0.9, 0.9]),
        "adamw": optimizer("adamw"),
        "adamw-decay": optimizer("adamw", weight_decay=0.3),
        "adamw-amsgrad": optimizer("adamw", amsgrad=True, betas=[0.9, 0.9]),
        "adamw-scheduled": optimizer("adamw", cosine, weight_decay=0.3),
        "rmsprop": optimizer("rmsprop"),
        "rmsprop-alpha": optimizer("rmsprop", alpha=0.8, epsilon=0.01),
        "rmsprop-momentum": optimizer("rmsprop", momentum=0.7),
        "rmsprop-centered": optimizer("rmsprop", centered=True),
        "rmsprop-all": optimizer("rmsprop", alpha=0.98, momentum=0.5, centered=True, weight_decay=0.1),
        "clip-norm": clip(numbers, norm=0.7),
        "clip-norm-large": clip(numbers, norm=100.0),
        "clip-norm-small": clip([1e-9 * number for number in numbers], norm=1e-7),
        "clip-norm-zeros": clip([0.0] * COUNT, norm=0.7),
        "clip-norm-inf": clip(numbers + [math.inf], norm=0.7),
        "clip-norm-nan": clip(numbers + [math.nan], norm=0.7),
        "clip-value": clip(numbers + [math.inf, -math.inf, math.nan, 0.4, -0.4], value=0.4),
        "constant": schedule("constant"),
        "constant-warm-up": schedule("constant", 10),
        "step": schedule("step", every=30, factor=0.5),
        "step-warm-up": schedule("step", 7, every=20, factor=0.3),
        "cosine": schedule("cosine", steps=100, minimum=1e-3),
        "cosine-warm-up": schedule("cosine", 13, steps=97, minimum=0.0),
        "plateau": plateau(falling, patience=3, factor=0.5),
        "plateau-defaults": plateau(falling),
        "plateau-cooldown": plateau(falling, patience=2, factor=0.6, cooldown=9),
        "plateau-minimum": plateau(falling, patience=2, factor=0.3, minimum=0.004),
        "plateau-least": plateau(falling, patience=0, factor=0.1),
        "plateau-threshold": plateau(falling, patience=4, factor=0.7, threshold=0.2),
        "plateau-maximize": plateau([1 - metric for metric in falling], maximize=True, patience=4, factor=0.7, threshold=0.02),
        "plateau-nan": plateau([math.nan if i % 3 == 2 else metric for i, metric in enumerate(falling)], patience=1, factor=0.9),
        "loss-scale": loss_scale(
            [float(uniform(i) < 0.7) for i in range(RATES)], initial=65536.0, growth=2.0, backoff=0.5, interval=4
        ),
        "loss-scale-numbers": loss_scale(
            [float(uniform(i) < 0.5) for i in range(RATES)], initial=1000.0, growth=1.7, backoff=0.9, interval=3
        ),
        "loss-scale-largest": loss_scale([1.0] * 20, initial=2.0 ** 124, growth=2.0, backoff=0.5, interval=2),
    }
    tensors = {f"{name}/{key}": value for name, (_, found) in cases.items() for key, value in found.items()}
    metadata = {name: json.dumps(settings, sort_keys=True) for name, (settings, _) in cases.items()}
    save_file(tensors, "pytorch_optimizers.safetensors", dict(metadata, torch=torch.__version__))


main()
