"""Makes pytorch_losses.safetensors: losses and their gradients by predictions, and heads, in double precision.

A case of a loss has `predictions` [T, N, C], targets (`classes` [N] or [T, N], `numbers` [N, C] or [T, N, C], or `labels`,
one behind the other, with `label_lengths`), `lengths` where sequences have ends, and what PyTorch computed of the valid rows:
`value` (the loss, the numbers of valid and of right rows) and `gradient`. A case of a head has a call's `output` or `h_n`, `weight`, `bias`, `lengths` and
`grad_predictions`, and PyTorch's `predictions` and gradients. Settings are named as the builders of src/train/loss.rs.
"""

import numpy
import torch
from torch.nn import functional as F

from golden import Random, save

T, N, C = 4, 3, 5
LENGTHS = [2, 4, 3]

random = Random(17)
integers = numpy.random.RandomState(18).randint
cases = {}


def f32(number):
    return float(numpy.float32(number))


def tensor(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def optional(numbers):
    return None if numbers is None else tensor(numbers)


def elementwise(settings, x, y):
    if settings["loss"] == "binary_cross_entropy":
        weights = optional(settings.get("positive_weights"))
        return F.binary_cross_entropy_with_logits(x, y, pos_weight=weights)
    if settings["loss"] == "huber":
        return F.huber_loss(x, y, delta=settings["delta"])
    return F.mse_loss(x, y)


def loss_case(name, settings, predictions, lengths=None, **targets):
    found = dict(predictions=predictions.astype(numpy.float32), **targets)
    x = tensor(found["predictions"]).requires_grad_()
    steps, batch, _ = x.shape
    ends = torch.tensor(lengths if lengths is not None else [steps] * batch)
    if lengths is not None:
        found["lengths"] = numpy.array(lengths, numpy.int64)
    valid = torch.arange(steps)[:, None] < ends[None]
    if "classes" in targets:
        classes = torch.tensor(targets["classes"]).reshape(steps, batch)
        kept = valid & (classes != settings.get("ignored", -100))
        rows, right = kept.sum(), (x.argmax(-1) == classes)[kept].sum()
        loss = F.cross_entropy(
            x[valid], classes[valid], weight=optional(settings.get("class_weights")),
            ignore_index=settings.get("ignored", -100), label_smoothing=settings.get("label_smoothing", 0.0),
        )
    elif "numbers" in targets:
        numbers = tensor(targets["numbers"]).reshape(x.shape)
        loss = elementwise(settings, x[valid], numbers[valid])
        is_binary = settings["loss"] == "binary_cross_entropy"
        rows, right = valid.sum(), ((x > 0) == (numbers > 0.5))[valid].all(-1).sum() if is_binary else 0
    else:
        loss = F.ctc_loss(
            x.log_softmax(-1), torch.tensor(targets["labels"]), ends, torch.tensor(targets["label_lengths"]),
            blank=settings["blank"], zero_infinity=settings.get("zero_infinity", False),
        )
        rows, right = batch, 0
    (gradient,) = torch.autograd.grad(loss, x)
    found["value"], found["gradient"] = numpy.array([loss.item(), int(rows), int(right)]), gradient.numpy()
    print(f"{name:32} {loss.item():12.6g} {gradient.norm().item():12.6g}")
    cases[name] = (settings, found)


def cross_entropy():
    def case(name, predictions, classes, lengths=None, **settings):
        settings = dict(loss="cross_entropy", **settings)
        loss_case(name, settings, predictions, lengths, classes=numpy.array(classes, numpy.int64))

    weights = random(C, scale=0.5) + numpy.float32(1.0)
    weights = [f32(weight) for weight in weights]
    classes = integers(0, C, (T, N))
    ragged = classes.copy()
    for row, length in enumerate(LENGTHS):
        ragged[length:, row] = -7
    some = ragged.copy()
    some[0, 1] = some[1, 2] = -100
    case("ce sequences", random(1, 4, C, scale=3), integers(0, C, 4))
    case("ce lengths", random(T, N, C, scale=3), ragged, LENGTHS)
    case("ce ignored", random(T, N, C, scale=3), some, LENGTHS)
    case("ce another ignored", random(T, N, C, scale=3), classes, ignored=2)
    case("ce weights", random(T, N, C, scale=3), some, LENGTHS, class_weights=weights)
    case("ce smoothing", random(T, N, C, scale=3), some, LENGTHS, label_smoothing=f32(0.1))
    case("ce all smoothing", random(T, N, C, scale=3), some, LENGTHS, label_smoothing=1.0)
    case(
        "ce weights and smoothing", random(T, N, C, scale=3), some, LENGTHS, class_weights=weights,
        label_smoothing=f32(0.3), ignored=-100,
    )
    case("ce a weight of 0", random(T, N, C), classes, class_weights=[0.0, 1.0, 0.5, 0.0, 2.0])
    case("ce one class", random(1, 5, 1), [0] * 5)
    case("ce far", random(1, 4, C, scale=1e4), integers(0, C, 4))
    masked = random(1, 4, C, scale=3)
    masked[0, :, 1] = -numpy.inf
    case("ce masked", masked, [0, 2, 3, 4])
    case("ce impossible", masked, [0, 1, 3, 4])
    # Not as ours: PyTorch divides 0 by 0.
    case("ce all ignored", random(1, 3, C), [-100] * 3)
    case("ce weights of 0", random(1, 3, C), [0, 3, 0], class_weights=[0.0, 1.0, 0.5, 0.0, 2.0])


def elements():
    def case(name, loss, predictions, numbers, lengths=None, **settings):
        numbers = numpy.asarray(numbers, numpy.float32)
        loss_case(name, dict(loss=loss, **settings), predictions, lengths, numbers=numbers)

    for name, loss, settings in [
        ("bce", "binary_cross_entropy", {}),
        ("bce weights", "binary_cross_entropy", {"positive_weights": [0.5, 2.0, 3.0, 1.0, 0.0]}),
        ("mse", "mean_squared", {}),
        ("huber", "huber", {"delta": 1.0}),
        ("huber of 0.25", "huber", {"delta": 0.25}),
    ]:
        is_binary = name.startswith("bce")
        numbers = lambda *shape: integers(0, 2, shape) if is_binary else random(*shape)
        ragged = numbers(T, N, C).astype(numpy.float32)
        for row, length in enumerate(LENGTHS):
            ragged[length:, row] = numpy.nan
        if name in ("bce weights", "mse", "huber"):
            case(f"{name} sequences", loss, random(1, 4, C, scale=3), numbers(4, C), **settings)
        if name == "bce":
            case(f"{name} steps", loss, random(T, N, C, scale=3), numbers(T, N, C), **settings)
        case(f"{name} lengths", loss, random(T, N, C, scale=3), ragged, LENGTHS, **settings)
    case("bce shares", "binary_cross_entropy", random(1, 4, C), abs(random(4, C)))
    case("bce one output", "binary_cross_entropy", random(1, 7, 1), integers(0, 2, (7, 1)))
    far = numpy.array([[[-1000.0, 1000.0, -80.0, 80.0, 0.0], [1000.0, -1000.0, 80.0, -80.0, 0.0]]])
    case("bce far", "binary_cross_entropy", far, [[0, 1, 0, 1, 1], [0, 1, 0, 1, 0]])
    at = numpy.array([[[0.5, -0.5, 0.0, 0.75, -2.0]]])
    case("huber at delta", "huber", at, [[0.0] * 5], delta=0.5)
    case("mse equal", "mean_squared", at, at[0])


def ctc():
    def case(name, predictions, labels, lengths=None, blank=0, **settings):
        flat = numpy.array([label for own in labels for label in own], numpy.int64)
        own = numpy.array([len(own) for own in labels], numpy.int64)
        settings = dict(loss="ctc", blank=blank, **settings)
        loss_case(name, settings, predictions, lengths, labels=flat, label_lengths=own)

    labels = [[1, 2, 2], [4, 1], [], [3]]
    lengths = [7, 5, 3, 4]
    case("ctc", random(7, 4, C, scale=2), labels)
    case("ctc lengths", random(7, 4, C, scale=2), labels, lengths)
    case("ctc last blank", random(5, 2, C, scale=2), [[3, 3], [0]], [5, 3], blank=4)
    case("ctc empty", random(5, 3, C, scale=2), [[]] * 3, [5, 3, 1])
    case("ctc just enough", random(7, 3, C, scale=2), [[1, 1, 2, 2], [1, 2, 3], [1, 1]], [6, 3, 3])
    case("ctc one step", random(1, 2, C, scale=2), [[1], []])
    case("ctc long", random(17, 2, 4, scale=4), [list(integers(1, 4, 7)), list(integers(1, 4, 5))], [17, 13])
    case("ctc two classes", random(7, 2, 2, scale=2), [[1, 1, 1], [1]], [7, 2])
    short = [[1, 1, 2], [4, 1], [3, 2]]
    case("ctc too short", random(5, 3, C, scale=2), short, [3, 5, 1])
    case("ctc too short, zeroed", random(5, 3, C, scale=2), short, [3, 5, 1], zero_infinity=True)
    case("ctc no step, zeroed", random(4, 2, C, scale=2), [[1], [2]], [0, 4], zero_infinity=True)


def heads():
    steps, batch, size, layers = 4, 3, 3, 2
    for reads in ("last_states", "mean", "max", "every_step"):
        for lengths in (None, [4, 2, 1]):
            rough = lambda *shape: numpy.round(random(*shape, scale=2) * 2) / 2 if reads == "max" else random(*shape)
            found = {"output": rough(steps, batch, 2 * size), "h_n": random(2 * layers, batch, size)}
            found["weight"], found["bias"] = random(2, 2 * size), random(2)
            if reads == "last_states":
                del found["output"]
                if lengths:
                    continue
            else:
                del found["h_n"]
            arrays = {name: tensor(array).requires_grad_() for name, array in found.items()}
            ends = lengths or [steps] * batch
            rows = [arrays["output"][:end, row] for row, end in enumerate(ends)] if "output" in arrays else None
            if reads == "last_states":
                h_n = arrays["h_n"]
                features = torch.cat([h_n[-2], h_n[-1]], -1)[None]
            elif reads == "mean":
                features = torch.stack([row.mean(0) for row in rows])[None]
            elif reads == "max":
                most = [row.max(0) for row in rows]
                for row, (values, index) in zip(rows, most):
                    first = (row == values).to(torch.int8).argmax(0)
                    assert torch.equal(first, index), "torch.max gives the first maximum"
                features = torch.stack([values for values, _ in most])[None]
            else:
                valid = torch.arange(steps)[:, None] < torch.tensor(ends)[None]
                features = torch.where(valid[..., None], arrays["output"], 0.0)
            predictions = F.linear(features, arrays["weight"], arrays["bias"])
            found["grad_predictions"] = random(*predictions.shape)
            by = torch.autograd.grad(predictions, list(arrays.values()), tensor(found["grad_predictions"]))
            found["predictions"] = predictions.detach().numpy()
            for name, gradient in zip(arrays, by):
                found[f"grad_{name}"] = gradient.numpy()
            if lengths:
                found["lengths"] = numpy.array(lengths, numpy.int64)
            cases[f"head {reads}{' lengths' if lengths else ''}"] = ({"reads": reads}, found)


torch.set_num_threads(1)
cross_entropy()
elements()
ctc()
heads()
save("pytorch_losses.safetensors", cases, torch=torch.__version__)
