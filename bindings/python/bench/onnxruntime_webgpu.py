"""onnxruntime's WebGPU provider against this library: the same ONNX files on the same adapter.

    pip install onnxruntime-webgpu==1.27.0 numpy==2.4.6
    VK_DRIVER_FILES=/path/of/lvp_icd.json python bench/onnxruntime_webgpu.py

VK_DRIVER_FILES (VK_ICD_FILENAMES before Vulkan 1.3.207) leaves one Vulkan driver, so that both sides have one
adapter. Without a GPU, lavapipe of Mesa 25 or SwiftShader do; the provider refuses lavapipe of Mesa 22.
The sides run in turn, each in a process of its own. Arrays of the host go in and come out on both: this
package of onnxruntime keeps none on the device. Its time is that of the fastest of its variants. Its sessions
refuse to run a node on the CPU. All outputs are held against those of its CPU provider.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

import wgpu_rnn

ROUNDS = 5
# A name, directions, N, T, calls a round.
CASES = [
    ("BiLSTM 128 N16 T100", 2, 16, 100, 3),
    ("LSTM 128 N1 T100", 1, 1, 100, 30),
    ("LSTM 128 N1 T1", 1, 1, 1, 500),
]
OURS, *THEIRS = SIDES = ["ours", "run", "bound", "unvalidated"]


def theirs(path, variant, x):
    """Open the file in onnxruntime, and give the call of a variant."""
    settings = onnxruntime.SessionOptions()
    # No node is on the CPU; threads that wait for one would take cores from a software adapter.
    settings.intra_op_num_threads = 1
    settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    options = {"validationMode": "disabled"} if variant == "unvalidated" else {}
    session = onnxruntime.InferenceSession(path, settings, providers=[("WebGpuExecutionProvider", options)])
    assert session.get_providers()[0] == "WebGpuExecutionProvider", "onnxruntime found no adapter"
    if variant != "bound":
        return lambda: session.run(None, {"input": x})
    binding = session.io_binding()
    # A session that goes before its binding ends the process.
    binding.session = session
    for output in session.get_outputs():
        binding.bind_output(output.name, "cpu")

    def call():
        binding.bind_cpu_input("input", x)
        session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()

    return call


def ours(path, x):
    """Open the file here, and give the call."""
    lstm = wgpu_rnn.load(path, device="gpu")
    return lambda: lstm(x)


def measure(side, folder):
    """Give the milliseconds of a call of each case, medians, in this process."""
    medians = []
    for name, directions, batch, steps, calls in CASES:
        path = str(Path(folder) / f"{name}.onnx")
        wgpu_rnn.LSTM(128, 128, bidirectional=directions == 2, seed=1, device="cpu").save(path)
        x = np.random.default_rng(1).standard_normal((steps, batch, 128), np.float32)
        reference = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        expected = reference.run(None, {"input": x})[0]
        del reference
        call = ours(path, x) if side == OURS else theirs(path, side, x)
        error, times = np.abs(call()[0] - expected).max(), []
        assert error < 1e-4, f"{name}, {side}: {error:.1e} off"
        for _ in range(calls + 1):
            began = time.perf_counter()
            call()
            times.append(time.perf_counter() - began)
        medians.append(statistics.median(times[1:]) * 1e3)
    return medians


def main():
    """Print the table, or what one side measures."""
    onnxruntime.set_default_logger_severity(3)
    if len(sys.argv) > 1:
        print(json.dumps(measure(*sys.argv[1:])))
        return
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            rounds.append({})
            for side in SIDES:
                child = [sys.executable, __file__, side, folder]
                rounds[-1][side] = json.loads(
                    subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout
                )
    print(f"wgpu-rnn, {wgpu_rnn.LSTM(1, 1, device='gpu').engine}")
    print(f"onnxruntime {onnxruntime.__version__}, {ROUNDS} rounds in turn, medians in ms")
    print(f"{'':20} {'ours':>10} {'onnxruntime':>12} {'variant':12} ratio")
    for case, (name, *_) in enumerate(CASES):
        medians = {side: statistics.median(times[side][case] for times in rounds) for side in SIDES}
        best = min(THEIRS, key=medians.get)
        ratios = sorted(times[best][case] / times[OURS][case] for times in rounds)
        row = (
            f"{name:20} {medians[OURS]:10.2f} {medians[best]:12.2f} {best:12} {statistics.median(ratios):.2f}"
        )
        print(f"{row} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
