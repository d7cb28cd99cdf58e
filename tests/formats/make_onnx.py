"""Makes data/onnx/: ONNX's own node tests, models that PyTorch exports, and models by hand; and data/onnx.safetensors,
the input and output of each network, computed by onnxruntime from the file (the node tests': by ONNX's own code).

    python3 -m venv venv && venv/bin/pip install -r ../golden/requirements.txt onnxscript==0.7.2
    venv/bin/python make_onnx.py
"""

import json
import os
import shutil
import tempfile
import warnings

import numpy
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import save_file
from torch import nn

warnings.simplefilter("ignore")
T, N, I, H = 4, 2, 3, 5
HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "data", "onnx")
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
cases, arrays = {}, {}
state = numpy.random.RandomState(5)
torch.manual_seed(5)


def random(*shape):
    return state.uniform(-1, 1, shape).astype(numpy.float32)


def keep(name, found, **settings):
    """Keeps what a network computes: input, output, h_n, c_n, h0, c0, lengths."""
    assert name not in cases
    cases[name] = dict(settings, file=settings.get("file", f"onnx/{name}.onnx"))
    for key, value in found.items():
        arrays[f"{name}.{key}"] = numpy.ascontiguousarray(value)


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model if isinstance(model, str) else model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds)))


def write(name, model):
    onnx.save(model, os.path.join(DATA, f"{name}.onnx"))


# ONNX's own tests.

def node_tests():
    from onnx.backend.test.case.node import collect_testcases

    for test in collect_testcases(None):
        if not any(part in test.name for part in ("_lstm", "_gru", "_rnn")):
            continue
        graph, (inputs, outputs) = test.model.graph, test.data_sets[0]
        values = dict(zip([input.name for input in graph.input], inputs))
        found = {"input": values.pop("X")}
        states = {"initial_h": "h0", "initial_c": "c0", "sequence_lens": "lengths"}
        for name, ours in states.items():
            if name in values:
                value = values.pop(name)
                found[ours] = value.astype(numpy.int64) if name == "sequence_lens" else value
        # The weights are inputs of the test.
        for name, value in values.items():
            graph.initializer.append(numpy_helper.from_array(value.astype(numpy.float32), name))
            graph.input.remove(next(input for input in graph.input if input.name == name))
        is_batch_first = any(attribute.name == "layout" and attribute.i == 1 for attribute in graph.node[0].attribute)
        for output, value in zip(graph.output, outputs):
            key = {"Y": "output", "Y_h": "h_n", "Y_c": "c_n"}[output.name]
            if is_batch_first:
                value = value.reshape(*value.shape[:2], -1) if key == "output" else value.swapaxes(0, 1)
            elif key == "output":
                value = value.transpose(0, 2, 1, 3).reshape(value.shape[0], value.shape[2], -1)
            found[key] = value
        name = test.name.removeprefix("test_")
        write(name, test.model)
        keep(name, found)


# PyTorch's exporters.

class Only(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, h0=None, c0=None):
        return self.layer(x, None if h0 is None else (h0, c0))


class Learned(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.LSTM(I, H, num_layers=2, bidirectional=True)
        self.h0, self.c0 = (nn.Parameter(torch.rand(4, 1, H)) for _ in range(2))

    def forward(self, x):
        return self.layer(x, (self.h0.expand(-1, x.shape[1], -1), self.c0.expand(-1, x.shape[1], -1)))[0]


def export(name, model, dynamo, shape=(T, N, I), states=(), axes=True, **settings):
    model = model.eval()
    inputs = (torch.from_numpy(random(*shape)),) + tuple(torch.from_numpy(random(*one)) for one in states)
    names = ["input", "h0", "c0"][: len(inputs)]
    path = os.path.join(DATA, f"{name}.onnx")
    if dynamo:
        n = torch.export.Dim("n")
        dims = ({0: torch.export.Dim("t"), 1: n}, *[{1: n}] * len(states)) if axes else None
        torch.onnx.export(model, inputs, path, input_names=names, dynamo=True, dynamic_shapes=dims,
                          external_data=False, verbose=False)
    else:
        dims = {"input": {0: "t", 1: "n"}, **{state: {1: "n"} for state in names[1:]}} if axes else None
        torch.onnx.export(model, inputs, path, input_names=names, dynamo=False, dynamic_axes=dims,
                          opset_version=settings.pop("opset", 17))
    feeds = {key: value.numpy() for key, value in zip(names, inputs)}
    results = list(run(path, feeds).values())
    found = dict(feeds, output=results[0])
    for key, value in zip(("h_n", "c_n"), results[1:]):
        found[key] = value
    strip(path)
    keep(name, found, **settings)


def strip(path):
    """Leaves out what no reader needs: notes of where a node comes from."""
    model = onnx.load(path)

    def graph(of):
        of.doc_string = ""
        del of.metadata_props[:]
        for node in of.node:
            node.doc_string = ""
            del node.metadata_props[:]
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    graph(attribute.g)
        for value in list(of.value_info):
            of.value_info.remove(value)

    graph(model.graph)
    del model.metadata_props[:]
    onnx.save(model, path)


def exports():
    for dynamo in (False, True):
        kind = "dynamo" if dynamo else "script"
        export(f"{kind}_lstm", Only(nn.LSTM(I, H, num_layers=3)), dynamo)
        export(f"{kind}_bilstm", Only(nn.LSTM(I, H, num_layers=2, bidirectional=True)), dynamo)
        export(f"{kind}_gru", Only(nn.GRU(I, H, num_layers=2, bidirectional=True, bias=False)), dynamo)
        if not dynamo:
            # The newer exporter unrolls a vanilla RNN into products, and refuses states that are expanded.
            export("script_learned", Learned(), False)
            export("script_rnn", Only(nn.RNN(I, H, num_layers=2, nonlinearity="relu")), False)
        export(f"{kind}_batch_first", Only(nn.LSTM(I, H, num_layers=2, bidirectional=True, batch_first=True)), dynamo,
               (N, T, I))
        export(f"{kind}_states", Only(nn.LSTM(I, H, num_layers=2)), dynamo, states=[(2, N, H)] * 2)
        export(f"{kind}_fixed", Only(nn.GRU(I, H, num_layers=2, bidirectional=True)), dynamo, axes=False)
    for opset in (9, 12, 13):
        export(f"script_opset{opset}", Only(nn.LSTM(I, H, num_layers=2, bidirectional=True)), False, opset=opset)


# Models by hand.

class Graph:
    """Nodes and arrays, in the order in which they are added."""

    def __init__(self, opset=17):
        self.nodes, self.constants, self.inputs, self.opset, self.count, self.domains = [], [], [], opset, 0, []

    def name(self, word):
        self.count += 1
        return f"{word}_{self.count}"

    def array(self, value, name=None):
        name = name or self.name("array")
        self.constants.append(numpy_helper.from_array(numpy.asarray(value), name))
        return name

    def node(self, operator, *inputs, outputs=1, **attributes):
        inputs = [self.array(value) if isinstance(value, (numpy.ndarray, list)) else value for value in inputs]
        names = [self.name(operator.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def layer(self, operator, x, input, hidden=H, directions=1, bias=True, name="", **attributes):
        gates = GATES[operator]
        weights = [random(directions, gates * hidden, input), random(directions, gates * hidden, hidden)]
        b = random(directions, 2 * gates * hidden) if bias else ""
        if directions == 2:
            attributes["direction"] = "bidirectional"
        return self.node(operator, x, *weights, b, *attributes.pop("more", []), outputs=attributes.pop("outputs", 1),
                         hidden_size=hidden, name=name, **attributes)

    def squeeze(self, x, axis):
        if self.opset < 13:
            return self.node("Squeeze", x, axes=[axis])
        return self.node("Squeeze", x, numpy.array([axis]))

    def unsqueeze(self, x, axis):
        if self.opset < 13:
            return self.node("Unsqueeze", x, axes=[axis])
        return self.node("Unsqueeze", x, numpy.array([axis]))

    def side_by_side(self, y):
        return self.node("Reshape", self.node("Transpose", y, perm=[0, 2, 1, 3]), numpy.array([0, 0, -1]))

    def model(self, outputs, inputs=()):
        shapes = {"X": [None, None, I], "h0": [None] * 3, "c0": [None] * 3}
        value = lambda name, kind=TensorProto.FLOAT, shape=None: helper.make_tensor_value_info(name, kind, shape)
        given = [value("X", shape=shapes["X"])]
        given += [value(name, TensorProto.INT32 if name == "lengths" else TensorProto.FLOAT, shapes.get(name)) for name in inputs]
        outputs = [value(name) for name in outputs]
        # Nodes have names only where a test asks for one.
        graph = helper.make_graph(self.nodes, "graph", given, outputs, self.constants)
        imports = [helper.make_opsetid(*pair) for pair in [("", self.opset), *self.domains]]
        return helper.make_model(graph, opset_imports=imports, ir_version=min(10, 8 if self.opset < 20 else 10))


def hand(name, graph, output, states=(), inputs=None, **settings):
    """A model whose output is [T, N, C]."""
    inputs = inputs or {}
    model = graph.model([output, *states], inputs)
    write(name, model)
    x = random(T, N, I)
    given = {key: value.astype(numpy.int32) if key == "lengths" else value for key, value in inputs.items()}
    results = run(model, {"X": x, **given})
    found = {"input": x, "output": results[output], **inputs}
    for key, state in zip(("h_n", "c_n"), states):
        found[key] = results[state]
    keep(name, found, **settings)


def options():
    for operator, attributes in [
        ("LSTM", dict(clip=0.5)),
        ("LSTM", dict(input_forget=1)),
        ("GRU", dict(linear_before_reset=0)),
        ("GRU", dict(linear_before_reset=1, clip=0.75)),
        ("RNN", dict(activations=["HardSigmoid"], activation_alpha=[0.25])),
        ("LSTM", dict(activations=["HardSigmoid", "Softsign", "ScaledTanh"], activation_alpha=[0.25, 1.5], activation_beta=[0.5, 0.75])),
        ("GRU", dict(activations=["Sigmoid", "LeakyRelu"], activation_alpha=[0.125], linear_before_reset=1)),
    ]:
        for directions in (1, 2):
            graph = Graph()
            own = dict(attributes)
            for key in ("activations", "activation_alpha", "activation_beta"):
                if key in own:
                    own[key] = own[key] * directions
            y = graph.layer(operator, "X", I, directions=directions, **own)
            output = graph.squeeze(y, 1) if directions == 1 else graph.side_by_side(y)
            words = "_".join(key if key != "activations" else "acts" for key in attributes if not key.startswith("activation_"))
            number = attributes.get("linear_before_reset", "")
            hand(f"{operator.lower()}_{words}{number}_{directions}".replace("linear_before_reset", "lbr"), graph, output)
    graph = Graph()
    y = graph.layer("LSTM", "X", I, more=["", "", "", random(1, 3 * H)], direction="reverse")
    hand("lstm_peepholes_reverse", graph, graph.squeeze(y, 1))
    graph = Graph()
    y, h, c = graph.layer("LSTM", "X", I, directions=2, more=["lengths", "h0", "c0"], outputs=3)
    hand("lstm_given", graph, graph.side_by_side(y), [h, c], {
        "lengths": numpy.array([2, 4]), "h0": random(2, N, H), "c0": random(2, N, H)})
    graph = Graph()
    both = ["Relu", "Elu"]
    y = graph.layer("RNN", "X", I, directions=2, activations=both, activation_alpha=[0.5])
    hand("rnn_activations_each", graph, graph.side_by_side(y))


def stacks():
    for opset in (7, 11, 22):
        graph = Graph(opset)
        x = graph.squeeze(graph.layer("LSTM", "X", I, name="lower"), 1)
        x = graph.squeeze(graph.layer("LSTM", x, H, bias=False), 1)
        hand(f"stack_opset{opset}", graph, x, prefix="lower")
    # Keras's converters: batches first between layers.
    graph = Graph(15)
    x = "X"
    for input in (I, 2 * H):
        y = graph.layer("LSTM", x, input, directions=2)
        by_batch = graph.node("Reshape", graph.node("Transpose", y, perm=[2, 0, 1, 3]), numpy.array([0, 0, -1]))
        x = graph.node("Transpose", by_batch, perm=[1, 0, 2])
    hand("stack_by_batch", graph, x)
    # Directions apart, and side by side again.
    graph = Graph(11)
    x = "X"
    for input in (I, 2 * H):
        y = graph.layer("GRU", x, input, directions=2, linear_before_reset=1)
        parts = [graph.squeeze(part, 1) for part in graph.node("Split", y, outputs=2, axis=1, split=[1, 1])]
        x = graph.node("Concat", *parts, axis=2)
    hand("stack_split", graph, x)
    for operator, merge in [("Add", "sum"), ("Mul", "multiply"), ("Mean", "average")]:
        graph = Graph(13)
        x = "X"
        for input in (I, H):
            y = graph.layer("RNN", x, input, directions=2)
            parts = [graph.node("Gather", y, numpy.array(place), axis=1) for place in (0, 1)]
            x = graph.node(operator, *parts)
        hand(f"stack_{merge}", graph, x)
    graph = Graph(13)
    y = graph.layer("LSTM", "X", I, directions=2)
    hand("merge_reduced", graph, graph.node("ReduceMean", y, axes=[1], keepdims=0))
    # Cells and sizes that differ.
    graph = Graph()
    x = graph.squeeze(graph.layer("LSTM", "X", I, hidden=4), 1)
    x = graph.squeeze(graph.layer("GRU", x, 4, hidden=6, linear_before_reset=1), 1)
    x = graph.squeeze(graph.layer("RNN", x, 6, hidden=2, activations=["Relu"]), 1)
    hand("stack_of_cells", graph, x)
    # Options that one network cannot have.
    graph = Graph()
    x = graph.squeeze(graph.layer("LSTM", "X", I, name="first"), 1)
    y = graph.squeeze(graph.layer("LSTM", x, H, name="second", clip=0.5), 1)
    model = graph.model([x, y])
    write("apart", model)
    given = random(T, N, I)
    results = run(model, {"X": given})
    keep("apart_first", {"input": given, "output": results[x]}, file="onnx/apart.onnx", prefix="first")
    keep("apart_second", {"input": results[x], "output": results[y]}, file="onnx/apart.onnx", prefix="second")


def constants():
    # Weights as PyTorch has them, cut and joined in ONNX's order, as torch.onnx writes them.
    graph = Graph()
    made = []
    for shape in ([4 * H, I], [4 * H, H], [4 * H], [4 * H]):
        own = graph.array(random(*shape))
        cut = lambda start: graph.node("Slice", own, numpy.array([start * H]), numpy.array([(start + 1) * H]), numpy.array([0]))
        made.append(graph.node("Concat", cut(0), cut(3), graph.node("Slice", own, numpy.array([H]), numpy.array([3 * H]), numpy.array([0])), axis=0))
    w, r = graph.unsqueeze(made[0], 0), graph.unsqueeze(made[1], 0)
    b = graph.unsqueeze(graph.node("Concat", made[2], made[3], axis=0), 0)
    y = graph.node("LSTM", "X", w, r, b, hidden_size=H)
    hand("constants_cut", graph, graph.squeeze(y, 1))
    # Nodes Constant, Identity, Cast, Reshape, Transpose, Flatten, Gather, Split, Expand.
    graph = Graph()
    half = graph.node("Constant", value=numpy_helper.from_array(random(1, 3 * H, I).astype(numpy.float16)))
    w = graph.node("Cast", graph.node("Identity", half), to=TensorProto.FLOAT)
    flat = graph.node("Transpose", random(H, 3 * H))
    r = graph.node("Gather", graph.node("Reshape", flat, numpy.array([0, 1, -1, 1])), numpy.array(0), axis=3)
    r = graph.node("Transpose", r, perm=[1, 0, 2])
    b, _ = graph.node("Split", random(1, 8 * H), numpy.array([6 * H, 2 * H]), outputs=2, axis=1)
    b = graph.node("Expand", graph.node("Flatten", b, axis=1), numpy.array([1, 6 * H]))
    y = graph.node("GRU", "X", w, r, b, hidden_size=H, linear_before_reset=1)
    hand("constants_shapes", graph, graph.squeeze(y, 1))
    # Numbers in the field of their type, not in raw bytes.
    graph = Graph(9)
    y = graph.layer("LSTM", "X", I)
    for place, constant in enumerate(graph.constants):
        value = numpy_helper.to_array(constant)
        graph.constants[place] = helper.make_tensor(constant.name, TensorProto.FLOAT, value.shape, value.flatten().tolist())
    graph.nodes.append(helper.make_node("Constant", [], ["axes"], value=helper.make_tensor("", TensorProto.INT64, [1], [1])))
    hand("constants_typed", graph, graph.squeeze(y, 1))
    # Halves in their field, and doubles.
    graph = Graph()
    w = random(1, H, I).astype(numpy.float16)
    halves, doubles = w.view(numpy.uint16).flatten().tolist(), random(H * H).astype(numpy.float64).tolist()
    graph.constants.append(onnx.TensorProto(
        name="w", dims=w.shape, data_type=TensorProto.FLOAT16, int32_data=halves))
    graph.constants.append(onnx.TensorProto(
        name="r", dims=[1, H, H], data_type=TensorProto.DOUBLE, double_data=doubles))
    w, r = graph.node("Cast", "w", to=TensorProto.FLOAT), graph.node("Cast", "r", to=TensorProto.FLOAT)
    y = graph.node("RNN", "X", w, r, hidden_size=H)
    hand("constants_halves", graph, graph.squeeze(y, 1))
    # Integers with a scale: eight bits, by row.
    graph = Graph()
    scale = (random(4 * H) ** 2 / 100 + 0.01).astype(numpy.float32)
    whole = state.randint(-127, 128, (4 * H, I)).astype(numpy.int8)
    w = graph.unsqueeze(graph.node("DequantizeLinear", whole, scale, numpy.zeros(4 * H, numpy.int8), axis=0), 0)
    whole = state.randint(0, 255, (1, 4 * H, H)).astype(numpy.uint8)
    r = graph.node("DequantizeLinear", whole, numpy.array(0.01, numpy.float32),
                   numpy.array(100, numpy.uint8))
    y = graph.node("LSTM", "X", w, r, hidden_size=H)
    hand("constants_scaled", graph, graph.squeeze(y, 1))
    # In a file beside, by places of it.
    graph = Graph()
    y = graph.layer("LSTM", "X", I, directions=2)
    output = graph.side_by_side(y)
    model = graph.model([output])
    path = os.path.join(DATA, "external.onnx")
    if os.path.exists(path + ".data"):
        os.remove(path + ".data")
    onnx.save(model, path, save_as_external_data=True, location="external.onnx.data", size_threshold=64)
    x = random(T, N, I)
    keep("external", {"input": x, "output": run(path, {"X": x})[output]})


def bodies():
    """A layer in the body of an If in an If, of a Loop, and of a Scan; with weights outside and inside."""
    def branch(name, operator):
        graph = Graph()
        graph.count = 100 * (1 + len(name))
        r = graph.array(random(1, GATES[operator] * H, H))
        y = graph.node(operator, "X", "outer_" + operator, r, hidden_size=H, name=f"{name}/{operator}")
        output = graph.squeeze(y, 1)
        return helper.make_graph(graph.nodes, name, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)], graph.constants)

    graph = Graph()
    for operator in ("LSTM", "GRU", "RNN"):
        graph.array(random(1, GATES[operator] * H, I), "outer_" + operator)
    yes, no = graph.array(numpy.array(True)), graph.array(numpy.array(False))
    inner = helper.make_node("If", [no], ["inner"], then_branch=branch("a", "GRU"), else_branch=branch("bb", "LSTM"))
    body = helper.make_graph([inner], "outer", [], [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)])
    output = graph.node("If", yes, then_branch=body, else_branch=branch("ccc", "RNN"), name="choice")
    model = graph.model([output])
    write("if", model)
    x = random(T, N, I)
    keep("if", {"input": x, "output": run(model, {"X": x})[output]}, prefix="bb/LSTM")
    # A Loop whose body has the layer: once.
    graph = Graph()
    graph.array(random(1, GATES["GRU"] * H, I), "outer_GRU")
    value = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)
    part = branch("loop", "GRU")
    body = helper.make_graph(
        [*part.node, helper.make_node("Identity", ["go"], ["goes"])], "body",
        [value("turn", TensorProto.INT64, []), value("go", TensorProto.BOOL, [])],
        [value("goes", TensorProto.BOOL, []), part.output[0]], part.initializer)
    turns, go = graph.array(numpy.array(1)), graph.array(numpy.array(True))
    output = graph.node("Loop", turns, go, body=body)
    output = graph.squeeze(output, 0)
    model = graph.model([output])
    write("loop", model)
    keep("loop", {"input": x, "output": run(model, {"X": x})[output]}, prefix="loop/GRU")
    # A Scan over sequences.
    graph = Graph()
    part = branch("scan", "RNN")
    for node in part.node:
        if node.op_type == "RNN":
            node.input[0] = "piece"
    graph.array(random(1, GATES["RNN"] * H, I), "outer_RNN")
    body = helper.make_graph(part.node, "body", [value("piece", TensorProto.FLOAT, None)], [part.output[0]], part.initializer)
    pieces = graph.unsqueeze("X", 0)
    output = graph.squeeze(graph.node("Scan", pieces, body=body, num_scan_inputs=1), 0)
    model = graph.model([output])
    write("scan", model)
    keep("scan", {"input": x, "output": run(model, {"X": x})[output]})


def functions():
    """Layers in functions of a model: one called twice, by a function of another, and PyTorch's of a module."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    within = Graph()
    lower = within.node("LSTM", "x", "w", "r", "b", hidden_size=H, name="lower")
    upper = within.node("LSTM", within.node("Squeeze", lower, "axis"), "v", "s", hidden_size=H, name="upper")
    within.nodes.insert(0, helper.make_node("Constant", [], ["axis"], value_ints=[1]))
    within.nodes.append(helper.make_node("Squeeze", [upper, "axis"], ["y"]))
    weights = ["w", "r", "b", "v", "s"]
    two = helper.make_function("own", "Two", ["x", *weights], ["y"], within.nodes, imports)
    around = helper.make_function("own", "Around", ["a", *weights], ["c"], [
        helper.make_node("Two", ["a", *weights], ["c"], domain="own", name="call")], imports)
    shapes = [(1, 4 * H, I), (1, 4 * H, H), (1, 8 * H), (1, 4 * H, H), (1, 4 * H, H)]

    def with_functions(graph, outputs, *all_functions):
        graph.domains.append(("own", 1))
        model = graph.model(outputs)
        model.functions.extend(all_functions)
        return model

    graph = Graph()
    first = graph.node("Two", "X", *[random(*shape) for shape in shapes], domain="own", name="first")
    second = graph.node("Around", "X", *[random(*shape) for shape in shapes], domain="own", name="second")
    model = with_functions(graph, [first, second], two, around)
    write("functions", model)
    x = random(T, N, I)
    results = run(model, {"X": x})
    for prefix, output in [("first/lower", first), ("second/call/lower", second)]:
        keep(f"functions_{prefix.split('/')[0]}", {"input": x, "output": results[output]}, file="onnx/functions.onnx",
             prefix=prefix)
    # Functions without an end, and a few that are a billion nodes.
    call = lambda name, value, output: helper.make_node(name, [value], [output], domain="own")
    endless = helper.make_function("own", "F0", ["x"], ["y"], [call("F0", "x", "y")], imports)
    many = [helper.make_function("own", f"F{place}", ["x"], ["y"], [
        call(f"F{place + 1}", "x", "z"), call(f"F{place + 1}", "z", "y")], imports) for place in range(30)]
    last = helper.make_function("own", "F30", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], imports)
    for name, all_functions in [("endless", [endless]), ("many", [*many, last])]:
        graph = Graph()
        graph.layer("LSTM", graph.node("F0", "X", domain="own"), I)
        write(f"refused_{name}", with_functions(graph, [], *all_functions))
    path = os.path.join(DATA, "script_function.onnx")
    model = Only(nn.LSTM(I, H, num_layers=2, bidirectional=True))
    torch.onnx.export(model, (torch.zeros(T, N, I),), path, dynamo=False, export_modules_as_functions={nn.LSTM},
                      input_names=["X"], opset_version=17)
    assert onnx.load(path).functions
    strip(path)
    keep("script_function", {"input": x, "output": list(run(path, {"X": x}).values())[0]})
    # Shapes from floats, as the exporter wrote them for the oldest sets.
    # onnxruntime no longer has an operator of theirs: PyTorch judges.
    for opset in (7, 8):
        model = Only(nn.GRU(I, H, num_layers=2, bidirectional=True)).eval()
        path = os.path.join(DATA, f"script_opset{opset}.onnx")
        torch.onnx.export(model, (torch.zeros(T, N, I),), path, dynamo=False, input_names=["X"], opset_version=opset,
                          dynamic_axes={"X": {0: "t", 1: "n"}})
        strip(path)
        output = model(torch.from_numpy(x))
        output = output[0] if isinstance(output, tuple) else output
        keep(f"script_opset{opset}", {"input": x, "output": output.detach().numpy()})


def learned():
    graph = Graph()
    batch = graph.node("Slice", graph.node("Shape", "X"), numpy.array([1]), numpy.array([2]))
    shape = graph.node("Concat", numpy.array([2]), batch, numpy.array([H]), axis=0)
    h = graph.node("Expand", random(2, 1, H), shape)
    c = graph.node("Tile", random(2, 1, H), graph.node("Concat", numpy.array([1]), batch, numpy.array([1]), axis=0))
    y = graph.layer("LSTM", "X", I, directions=2, more=["", h, c])
    hand("learned", graph, graph.side_by_side(y))
    graph = Graph()
    zeros = graph.node("ConstantOfShape", graph.node("Concat", numpy.array([1]), graph.node(
        "Slice", graph.node("Shape", "X"), numpy.array([1]), numpy.array([2])), numpy.array([H]), axis=0))
    y = graph.layer("GRU", "X", I, more=["", zeros])
    hand("zeros", graph, graph.squeeze(y, 1))


def quantized():
    """onnxruntime's own quantisation to eight bits; the numbers are those of a model with the weights that it has."""
    for per_channel in (False, True):
        name = f"quantized_{'rows' if per_channel else 'whole'}"
        graph = Graph()
        x = "X"
        for input in (I, 2 * H):
            x = graph.side_by_side(graph.layer("LSTM", x, input, directions=2))
        with tempfile.TemporaryDirectory() as folder:
            first, second = os.path.join(folder, "a.onnx"), os.path.join(folder, "b.onnx")
            onnx.save(graph.model([x]), first)
            quantize_dynamic(first, second, weight_type=QuantType.QInt8, per_channel=per_channel, op_types_to_quantize=["LSTM"])
            model = onnx.load(second)
        write(name, model)
        given = random(T, N, I)
        keep(name, {"input": given, "output": run(dequantized(model), {"X": given})[x]})


def dequantized(model):
    """The same model with plain layers of the weights' own values."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    arrays = {array.name: numpy_helper.to_array(array) for array in plain.graph.initializer}
    for node in plain.graph.node:
        if node.op_type != "DynamicQuantizeLSTM":
            continue
        for place, scale in ((1, 8), (2, 10)):
            whole, scale, zero = (arrays[node.input[at]] for at in (place, scale, scale + 1))
            align = lambda of: of.reshape(whole.shape[0], 1, -1)
            real = (whole.astype(numpy.float32) - align(zero).astype(numpy.float32)) * align(scale)
            name = f"{node.input[place]}_real"
            plain.graph.initializer.append(numpy_helper.from_array(numpy.ascontiguousarray(real.transpose(0, 2, 1)), name))
            node.input[place] = name
        del node.input[8:]
        node.op_type, node.domain = "LSTM", ""
    return plain


def refused():
    """Models that are refused by name."""
    def one(name, operator="LSTM", opset=17, more=(), inputs=(), edit=None, **attributes):
        graph = Graph(opset)
        y = graph.layer(operator, "X", I, more=list(more), **attributes)
        model = graph.model([y], inputs)
        if edit:
            edit(model)
        write(f"refused_{name}", model)

    def given(model):
        model.graph.initializer.remove(model.graph.initializer[0])

    def sequence(model):
        model.graph.node[0].attribute.append(helper.make_attribute("output_sequence", 1))

    one("given", edit=given)
    one("output_sequence", edit=sequence)
    one("opset", opset=6)
    one("lengths", more=[numpy.array([2, 3], numpy.int32)])
    one("state", more=["", random(1, N, H), random(1, N, H)])
    one("activation", "RNN", activations=["Gelu"])
    one("hidden", edit=lambda model: setattr(next(a for a in model.graph.node[0].attribute if a.name == "hidden_size"), "i", 4))


def main():
    shutil.rmtree(DATA, ignore_errors=True)
    os.makedirs(DATA)
    node_tests()
    exports()
    options()
    stacks()
    constants()
    bodies()
    learned()
    quantized()
    refused()
    functions()
    save_file(arrays, os.path.join(HERE, "data", "onnx.safetensors"), {
        "cases": json.dumps(cases), "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "torch": torch.__version__})
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
