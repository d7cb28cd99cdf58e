"""Makes pytorch_sgd.safetensors: the losses of 50 steps of plain gradient descent on two bidirectional layers.

The tensors of each case are the first weights, `input`, `target`, and `losses` (f64) before each step; the loss is the mean
of the squared differences of output and target, and a step subtracts RATE times the gradient. The metadata holds
CASE = {"rate": RATE}.
"""

import json

import numpy
import torch
from safetensors.numpy import save_file

from golden import Random

T, N, I, H, STEPS, RATE = 7, 3, 2, 5, 50, 0.5

random = Random(12)


def case(kind):
    module = getattr(torch.nn, kind.upper())(I, H, 2, bidirectional=True)
    found = {name: parameter.detach().float().numpy().copy() for name, parameter in module.named_parameters()}
    found["input"], found["target"] = random(T, N, I), random(T, N, 2 * H, scale=0.5)
    module = module.double()
    x, target = (torch.tensor(found[name]).double() for name in ("input", "target"))
    losses = []
    for _ in range(STEPS):
        loss = ((module(x)[0] - target) ** 2).mean()
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, list(module.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(module.parameters(), gradients):
                parameter -= RATE * gradient
    print(kind, losses[0], losses[-1])
    found["losses"] = numpy.array(losses)
    return found


def main():
    torch.manual_seed(4)
    torch.set_num_threads(1)
    cases = {kind: case(kind) for kind in ("rnn", "lstm", "gru")}
    tensors = {f"{name}/{key}": value for name, found in cases.items() for key, value in found.items()}
    metadata = {name: json.dumps({"rate": RATE}) for name in cases}
    save_file(tensors, "pytorch_sgd.safetensors", dict(metadata, torch=torch.__version__))


main()
