"""onnxruntime runs the models that `convert` writes of data/onnx/, and computes what it has computed of the files.

    cargo build --release --examples
    venv/bin/python read_back_onnx.py ../../target/release/examples
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from safetensors import safe_open

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
TOLERANCE = 2e-6
count = 0

with safe_open(os.path.join(DATA, "onnx.safetensors"), "numpy") as file, tempfile.TemporaryDirectory() as folder:
    names, cases = set(file.keys()), json.loads(file.metadata()["cases"])
    for name, case in cases.items():
        given = {f"{name}.{part}" for part in ("h0", "c0", "lengths")} & names
        if given:
            # A model that is written has no inputs but the sequence.
            continue
        out = os.path.join(folder, "out.onnx")
        prefix = ["--prefix", case["prefix"]] if "prefix" in case else []
        subprocess.run([os.path.join(sys.argv[1], "convert"), os.path.join(DATA, case["file"]), out, *prefix],
                       check=True, stdout=subprocess.DEVNULL)
        model = onnx.load(out)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(out)
        outputs = [output.name for output in session.get_outputs()]
        results = dict(zip(outputs, session.run(None, {"input": file.get_tensor(f"{name}.input")})))
        states = {"output": ["output"]}
        for part in ("h_n", "c_n"):
            states[part] = sorted((output for output in outputs if output.startswith(part)),
                                  key=lambda output: int(output.rsplit("_l", 1)[1]))
        for part, own in states.items():
            if f"{name}.{part}" not in names:
                continue
            ours = numpy.concatenate([results[output] for output in own])
            theirs = file.get_tensor(f"{name}.{part}")
            assert ours.shape == theirs.shape, (name, part, ours.shape, theirs.shape)
            assert numpy.abs(ours - theirs).max() <= TOLERANCE, (name, part, numpy.abs(ours - theirs).max())
            count += 1

print(f"{count} arrays of {len(cases)} networks are the same")
