"""Makes keras.safetensors: what Keras 3 computes on JAX, in single precision: Bidirectional's merge modes, stacks of them, and the
GRU with its reset on either side. Weights are stored in PyTorch's layout: transposed, z, r, h as r, z, n; an LSTM's i, f, c, o
are i, f, g, o.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras  # noqa: E402
import numpy  # noqa: E402

from golden import H, I, N, T, Random, blocks, save  # noqa: E402

random = Random(3)
ORDER = {"LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2], "SimpleRNN": [0]}
MERGE = {"concat": "concatenate", "sum": "sum", "ave": "average", "mul": "multiply", None: "apart"}


def stored(kind, weights, layer, reverse, reset_after):
    order, suffix = ORDER[kind], f"_l{layer}" + ("_reverse" if reverse else "")
    kernel, recurrent, bias = weights
    first, second = bias if reset_after else (bias, numpy.zeros_like(bias))
    return {
        "weight_ih" + suffix: blocks(kernel.T, order), "weight_hh" + suffix: blocks(recurrent.T, order),
        "bias_ih" + suffix: blocks(first, order), "bias_hh" + suffix: blocks(second, order),
    }


def case(kind, layers=1, merge="concat", bidirectional=True, last_only=False, reset_after=None, activation="tanh"):
    extra = {} if reset_after is None else {"reset_after": reset_after}
    found = {"input": random(T, N, I)}
    x = found["input"].transpose(1, 0, 2)
    outputs = None
    for layer in range(layers):
        last = layer + 1 == layers
        inner = getattr(keras.layers, kind)(H, activation=activation, return_sequences=not (last and last_only), **extra)
        outer = keras.layers.Bidirectional(inner, merge_mode=merge if last or merge else "concat") if bidirectional else inner
        outer.build(x.shape)
        outer.set_weights([random(*weight.shape, scale=0.6) for weight in outer.get_weights()])
        found_weights = outer.get_weights()
        for reverse in range(2 if bidirectional else 1):
            weights = found_weights[3 * reverse:3 * reverse + 3]
            found.update(stored(kind, weights, layer, reverse, bool(reset_after)))
        outputs = outer(x)
        outputs = [numpy.asarray(output) for output in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]
        x = outputs[0]
    for name, output in zip(["output", "output_reverse"], outputs):
        found[name] = output[None] if last_only else output.transpose(1, 0, 2)
    settings = {"merge": MERGE[merge]} if bidirectional else {}
    if last_only:
        settings["last_only"] = True
    if reset_after is False:
        settings["gru_reset"] = "before"
    if kind == "SimpleRNN":
        settings["nonlinearity"] = activation
    return settings, found


def main():
    cases = {}
    for merge in MERGE:
        name = MERGE[merge]
        cases[f"lstm-{name}"] = case("LSTM", merge=merge)
        cases[f"lstm-{name}-last"] = case("LSTM", merge=merge, last_only=True)
        cases[f"gru-{name}-stack"] = case("GRU", 2, merge=merge, reset_after=True)
        cases[f"rnn-{name}-relu"] = case("SimpleRNN", merge=merge, activation="relu")
    cases["gru-before"] = case("GRU", bidirectional=False, reset_after=False)
    cases["gru-before-stack"] = case("GRU", 2, merge="sum", reset_after=False)
    cases["gru-after"] = case("GRU", bidirectional=False, reset_after=True)
    cases["lstm-last"] = case("LSTM", bidirectional=False, last_only=True)
    save("keras.safetensors", cases, keras=keras.__version__)


main()
