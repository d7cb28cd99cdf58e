"""PyTorch and onnxruntime on the CPU (or PyTorch with cuDNN), run by the benchmark: peers.py PEER CELL LAYERS CASE OUTPUT.

Says "ready", and then, for every line that it reads, computes, writes the output beside, and says the seconds that it took.
"""

import sys
import time

import numpy
from safetensors.numpy import load_file, save_file


def pytorch(cell, layers, tensors, device="cpu", half=False, tf32=False):
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.rnn.fp32_precision = "tf32" if tf32 else "ieee"
    both = "weight_ih_l0_reverse" in tensors
    hidden = tensors["weight_hh_l0"].shape[1]
    kind, extra = (torch.nn.RNN, {"nonlinearity": cell[4:]}) if cell.startswith("rnn") else (getattr(torch.nn, cell.upper()), {})
    module = kind(tensors["input"].shape[2], hidden, layers, bidirectional=both, **extra)
    module.load_state_dict({name: torch.tensor(value) for name, value in tensors.items() if name not in ("input", "by_output")})
    module = module.to(device)
    dtype = torch.float16 if half else torch.float32
    module = module.to(dtype)
    x = torch.tensor(tensors["input"])
    if "by_output" in tensors:
        by_output = torch.tensor(tensors["by_output"])

        def train():
            module.zero_grad()
            own = x.clone().requires_grad_()
            module(own.to(device, dtype))[0].backward(by_output.to(device, dtype))
            return own.grad.float().cpu().numpy()

        return train

    def run():
        with torch.no_grad():
            return module(x.to(device, dtype))[0].float().cpu().numpy()

    return run


def onnxruntime(cell, layers, tensors):
    import onnx
    import onnxruntime as runtime
    from onnx import TensorProto, helper

    order = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}[cell]
    suffixes = ["", "_reverse"] if "weight_ih_l0_reverse" in tensors else [""]
    hidden = tensors["weight_hh_l0"].shape[1]

    def blocks(name):
        parts = numpy.split(tensors[name], len(order))
        return numpy.concatenate([parts[index] for index in order])

    nodes, constants, x = [], [], "input"
    for layer in range(layers):
        def stacked(kind):
            return numpy.stack([blocks(f"{kind}_l{layer}{suffix}") for suffix in suffixes])

        bias = numpy.concatenate([stacked("bias_ih"), stacked("bias_hh")], 1)
        for name, value in [("W", stacked("weight_ih")), ("R", stacked("weight_hh")), ("B", bias)]:
            constants.append(onnx.numpy_helper.from_array(value, f"{name}{layer}"))
        extra = {"linear_before_reset": 1} if cell == "gru" else {}
        nodes.append(helper.make_node(
            cell.upper(), [x, f"W{layer}", f"R{layer}", f"B{layer}"], [f"Y{layer}"], hidden_size=hidden,
            direction="bidirectional" if len(suffixes) == 2 else "forward", **extra))
        nodes.append(helper.make_node("Transpose", [f"Y{layer}"], [f"Z{layer}"], perm=[0, 2, 1, 3]))
        constants.append(onnx.numpy_helper.from_array(numpy.array([0, 0, -1], numpy.int64), f"shape{layer}"))
        nodes.append(helper.make_node("Reshape", [f"Z{layer}", f"shape{layer}"], [f"X{layer}"]))
        x = f"X{layer}"
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, tensors["input"].shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [None, None, None])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"input": tensors["input"]})[0]


def main():
    peer, cell, layers, case, output = sys.argv[1:]
    tensors = load_file(case)
    peers = {
        "pytorch": lambda: pytorch(cell, int(layers), tensors),
        "onnxruntime": lambda: onnxruntime(cell, int(layers), tensors),
        "cudnn-f32": lambda: pytorch(cell, int(layers), tensors, "cuda"),
        "cudnn-tf32": lambda: pytorch(cell, int(layers), tensors, "cuda", tf32=True),
        "cudnn-f16": lambda: pytorch(cell, int(layers), tensors, "cuda", half=True),
    }
    run = peers[peer]()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        result = run()
        seconds = time.perf_counter() - start
        save_file({"output": numpy.ascontiguousarray(result)}, output)
        print(seconds, flush=True)


main()
