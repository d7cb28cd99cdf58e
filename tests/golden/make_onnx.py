"""Makes onnx.safetensors: what onnxruntime computes, in single precision, for LSTM, GRU and RNN nodes with the options that only
ONNX has. Weights are stored in PyTorch's order of gates: i, f, g, o from ONNX's i, o, f, c, and r, z, n from z, r, h.
"""

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

from golden import H, I, N, T, Random, blocks, save

random = Random(2)
ORDER = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}
OURS = {"forward": "forward", "reverse": "backward", "bidirectional": "both"}


def case(operator, direction="forward", peepholes=False, lengths=None, bias=True, settings=None, **attributes):
    gates, directions = len(ORDER[operator]), 1 + (direction == "bidirectional")
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    values = {"X": random(T, N, I), "W": random(directions, gates * H, I), "R": random(directions, gates * H, H)}
    if bias:
        values["B"] = random(directions, 2 * gates * H)
    if lengths is not None:
        values["sequence_lens"] = numpy.array(lengths, numpy.int32)
    values["initial_h"] = random(directions, N, H)
    if operator == "LSTM":
        values["initial_c"] = random(directions, N, H)
        if peepholes:
            values["P"] = random(directions, 3 * H)
    else:
        names = names[:6]
    inputs = [name if name in values else "" for name in names]
    outputs = ["Y", "Y_h", "Y_c"][: 3 if operator == "LSTM" else 2]
    node = helper.make_node(operator, inputs, outputs, hidden_size=H, direction=direction, **attributes)
    types = {"sequence_lens": TensorProto.INT32}
    graph = helper.make_graph(
        [node], "golden",
        [helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), v.shape) for n, v in values.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * (4 if name == "Y" else 3)) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results = session.run(None, values)

    found = {"input": values["X"], "h0": values["initial_h"]}
    if operator == "LSTM":
        found["c0"] = values["initial_c"]
    if lengths is not None:
        found["lengths"] = numpy.array(lengths, numpy.int64)
    order = ORDER[operator]
    for index in range(directions):
        suffix = ["_l0", "_l0_reverse"][index]
        found["weight_ih" + suffix] = blocks(values["W"][index], order)
        found["weight_hh" + suffix] = blocks(values["R"][index], order)
        if bias:
            first, second = numpy.split(values["B"][index], 2)
            found["bias_ih" + suffix], found["bias_hh" + suffix] = blocks(first, order), blocks(second, order)
        if peepholes:
            found["weight_peephole" + suffix] = values["P"][index]
    # [T, D, N, H] to [T, N, D*H]
    found["output"] = results[0].transpose(0, 2, 1, 3).reshape(T, N, directions * H)
    for name, value in zip(["h_n", "c_n"], results[1:]):
        found[name] = value
    ours = dict(settings or {}, directions=OURS[direction])
    if operator == "RNN":
        ours.setdefault("nonlinearity", "tanh")
    return ours, found


def activations(operator, chosen, direction="bidirectional"):
    """chosen: name, alpha, beta for each place; each direction has its own list in ONNX."""
    count = {"LSTM": 3, "GRU": 2, "RNN": 1}[operator]
    chosen = chosen * 2 if len(chosen) == count else chosen
    attributes = {
        "activations": [name for name, _, _ in chosen],
        "activation_alpha": [alpha for _, alpha, _ in chosen if alpha is not None],
        "activation_beta": [beta for _, _, beta in chosen if beta is not None],
    }
    text = [":".join(str(part) for part in one if part is not None) for one in chosen]
    settings = {"activations": text}
    if operator == "RNN":
        settings["nonlinearity"] = "tanh"
    attributes = {name: value for name, value in attributes.items() if value}
    return case(operator, direction, settings=settings, **attributes)


def main():
    cases = {}
    both = "bidirectional"
    for direction in ["forward", "reverse", both]:
        cases[f"lstm-{direction}"] = case("LSTM", direction)
        cases[f"lstm-peepholes-{direction}"] = case("LSTM", direction, peepholes=True)
        cases[f"gru-before-{direction}"] = case(
            "GRU", direction, linear_before_reset=0, settings={"gru_reset": "before"})
        cases[f"gru-after-{direction}"] = case("GRU", direction, linear_before_reset=1)
        cases[f"rnn-{direction}"] = case("RNN", direction)
    coupled = {"coupled_input_forget": True}
    clip = {"preactivation_clip": 0.5}
    before = {"gru_reset": "before"}
    cases["lstm-coupled"] = case("LSTM", both, input_forget=1, settings=coupled)
    cases["lstm-coupled-peepholes"] = case("LSTM", both, peepholes=True, input_forget=1, settings=coupled)
    cases["lstm-clip"] = case("LSTM", both, clip=0.5, settings=clip)
    cases["lstm-clip-peepholes"] = case("LSTM", both, peepholes=True, clip=0.5, settings=clip)
    cases["lstm-no-bias"] = case("LSTM", both, bias=False, peepholes=True)
    cases["gru-clip-before"] = case("GRU", both, clip=0.5, linear_before_reset=0, settings=dict(before, **clip))
    cases["gru-clip-after"] = case("GRU", both, clip=0.5, linear_before_reset=1, settings=clip)
    cases["rnn-clip"] = case("RNN", both, clip=0.5, settings=clip)
    lengths = [2, 5, 3]
    cases["lstm-lengths"] = case("LSTM", both, peepholes=True, lengths=lengths)
    cases["gru-lengths"] = case("GRU", both, lengths=lengths, linear_before_reset=0, settings=before)
    cases["rnn-lengths"] = case("RNN", "reverse", lengths=lengths)
    every = [
        ("Relu", None, None), ("Tanh", None, None), ("Sigmoid", None, None), ("Softsign", None, None),
        ("Softplus", None, None), ("LeakyRelu", 0.125, None), ("Elu", 0.75, None), ("ThresholdedRelu", 0.25, None),
        ("Affine", 0.75, 0.25), ("HardSigmoid", 0.25, 0.5), ("ScaledTanh", 1.5, 0.75),
    ]
    for index, one in enumerate(every):
        other = every[(index + 4) % len(every)]
        cases[f"rnn-{one[0].lower()}"] = activations("RNN", [one, other])
    hard, soft, scaled = every[9], every[3], every[10]
    cases["lstm-activations"] = activations("LSTM", [hard, soft, scaled])
    cases["lstm-activations-each"] = activations("LSTM", [hard, soft, scaled, every[2], every[10], every[3]])
    cases["gru-activations"] = activations("GRU", [hard, soft])
    cases["gru-activations"][0]["gru_reset"] = "before"
    save("onnx.safetensors", cases, onnx=onnx.__version__, onnxruntime=onnxruntime.__version__)


main()
