"""Peers in Python, run by the benchmark: peers.py TASK, where TASK is JSON (`src/python.rs` writes it).

Says "ready", or in one line why not. Then, for every line with a number, computes the case so many times, writes the last output beside,
and says the seconds of each.
"""

import contextlib
import json
import sys
import time

import numpy
from safetensors.numpy import load_file, save_file

# What a case holds beside the weights.
DATA = ("input", "by_output", "lengths")


def pytorch(task, tensors, device="cpu", half=False, tf32=False):
    import torch

    if task["threads"]:
        torch.set_num_threads(task["threads"])
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.rnn.fp32_precision = "tf32" if tf32 else "ieee"
    cell, both = task["cell"], "weight_ih_l0_reverse" in tensors
    hidden = tensors["weight_hh_l0"].shape[1]
    kind, extra = (torch.nn.RNN, {"nonlinearity": cell[4:]}) if cell.startswith("rnn") else (getattr(torch.nn, cell.upper()), {})
    module = kind(tensors["input"].shape[2], hidden, task["layers"], bidirectional=both, **extra)
    module.load_state_dict({name: torch.tensor(value) for name, value in tensors.items() if name not in DATA})
    module = module.to(device)
    dtype = torch.float16 if half else torch.float32
    module = module.to(dtype)
    x = torch.tensor(tensors["input"])

    def train():
        by_output = torch.tensor(tensors["by_output"])
        module.zero_grad()
        own = x.clone().requires_grad_()
        module(own.to(device, dtype))[0].backward(by_output.to(device, dtype))
        return own.grad.float().cpu().numpy()

    @torch.inference_mode()
    def stream():
        outputs, state = [], None
        for step in x.split(1):
            output, state = module(step.to(device, dtype), state)
            outputs.append(output.float().cpu().numpy())
        return numpy.concatenate(outputs)

    @torch.inference_mode()
    def packed():
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        lengths = torch.tensor(tensors["lengths"]).long()
        packed = pack_padded_sequence(x.to(device, dtype), lengths, enforce_sorted=False)
        return pad_packed_sequence(module(packed)[0], total_length=len(x))[0].float().cpu().numpy()

    @torch.inference_mode()
    def whole():
        return module(x.to(device, dtype))[0].float().cpu().numpy()

    if "by_output" in tensors:
        return train
    if task["streamed"]:
        return stream
    return packed if "lengths" in tensors else whole


def onnx_model(task, tensors):
    """The network with the input `[T, N, I]`, the lengths where the case has them, and in a streamed case the state: h and c of each layer."""
    import onnx
    from onnx import TensorProto, helper

    cell, order = task["cell"], {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}[task["cell"]]
    suffixes = ["", "_reverse"] if "weight_ih_l0_reverse" in tensors else [""]
    (steps, batch, features), hidden = tensors["input"].shape, tensors["weight_hh_l0"].shape[1]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1 if task["streamed"] else steps, batch, features])]
    states, kept = [], []
    if "lengths" in tensors:
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, [batch]))

    def stacked(kind, layer):
        """A tensor of all directions, its gates in ONNX's order."""
        def blocks(value):
            parts = numpy.split(value, len(order))
            return numpy.concatenate([parts[index] for index in order])

        return numpy.stack([blocks(tensors[f"{kind}_l{layer}{suffix}"]) for suffix in suffixes])

    nodes, constants, x = [], [], "input"
    for layer in range(task["layers"]):
        bias = numpy.concatenate([stacked("bias_ih", layer), stacked("bias_hh", layer)], 1)
        for name, value in [("W", stacked("weight_ih", layer)), ("R", stacked("weight_hh", layer)), ("B", bias)]:
            constants.append(onnx.numpy_helper.from_array(value, f"{name}{layer}"))
        own = [f"{state}{layer}" for state in ("h", "c")[:2 if cell == "lstm" else 1]] if task["streamed"] else []
        states += own
        kept += [f"{state}_n" for state in own]
        extra = {"linear_before_reset": 1} if cell == "gru" else {}
        nodes.append(helper.make_node(
            cell.upper(), [x, f"W{layer}", f"R{layer}", f"B{layer}", "lengths" if "lengths" in tensors else "", *own],
            [f"Y{layer}", *[f"{state}_n" for state in own]], hidden_size=hidden,
            direction="bidirectional" if len(suffixes) == 2 else "forward", **extra))
        nodes.append(helper.make_node("Transpose", [f"Y{layer}"], [f"Z{layer}"], perm=[0, 2, 1, 3]))
        constants.append(onnx.numpy_helper.from_array(numpy.array([0, 0, -1], numpy.int64), f"shape{layer}"))
        nodes.append(helper.make_node("Reshape", [f"Z{layer}", f"shape{layer}"], [f"X{layer}"]))
        x = f"X{layer}"
    def declared(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [len(suffixes), batch, hidden])

    outputs = [helper.make_tensor_value_info(x, TensorProto.FLOAT, [None, None, None]), *map(declared, kept)]
    graph = helper.make_graph(nodes, "network", inputs + [declared(name) for name in states], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    zeros = numpy.zeros((len(suffixes), batch, hidden), numpy.float32)
    return model.SerializeToString(), {name: zeros for name in states}


def onnxruntime(task, tensors, provider="CPUExecutionProvider"):
    import onnxruntime as runtime

    model, zeros = onnx_model(task, tensors)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = task["threads"]
    if provider != "CPUExecutionProvider":
        # No node may be computed elsewhere.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # The reason of a provider that fails is printed, and is no answer.
    with contextlib.redirect_stdout(sys.stderr):
        session = runtime.InferenceSession(model, options, providers=[provider])
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"{provider} takes no adapter of this machine")
    feed = {"input": tensors["input"]}
    if "lengths" in tensors:
        feed["lengths"] = tensors["lengths"].astype(numpy.int32)

    def stream():
        outputs, state = [], zeros
        for step in numpy.split(tensors["input"], len(tensors["input"])):
            output, *after = session.run(None, {"input": step, **state})
            state = dict(zip(state, after))
            outputs.append(output)
        return numpy.concatenate(outputs)

    return stream if task["streamed"] else lambda: session.run(None, feed)[0]


PEERS = {
    "pytorch": pytorch,
    "onnxruntime": onnxruntime,
    "onnxruntime-webgpu": lambda task, tensors: onnxruntime(task, tensors, "WebGpuExecutionProvider"),
    "cudnn-f32": lambda task, tensors: pytorch(task, tensors, "cuda"),
    "cudnn-tf32": lambda task, tensors: pytorch(task, tensors, "cuda", tf32=True),
    "cudnn-f16": lambda task, tensors: pytorch(task, tensors, "cuda", half=True),
}


def main():
    task = json.loads(sys.argv[1])
    try:
        run = PEERS[task["peer"]](task, load_file(task["case"]))
    except Exception as error:
        # onnxruntime tries again without the provider, and the first error is the cause; the reason stands at its end.
        print(" ".join(str(error.__cause__ or error).split())[-110:], flush=True)
        return
    print("ready", flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            result = run()
            seconds.append(time.perf_counter() - start)
        save_file({"output": numpy.ascontiguousarray(result)}, task["output"])
        print(*seconds, flush=True)


main()
