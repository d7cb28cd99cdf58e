"""The notebook gluon_notebook.ipynb, executed.

As a program it writes the outputs of the CPU engine into the notebook:

    python tests/test_notebook.py
"""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest

NOTEBOOK = Path("examples/python/gluon_notebook.ipynb")
GOLDEN = Path("tests/golden/notebook")
NETWORKS = ["rnn", "stack_rnn", "bidir_rnn", "stack_bidir_rnn", "lstm", "stack_bidir_lstm"]
# The first table of each network after the weights have changed: the notebook's cell, and MXNet's.
FIRST = {
    "rnn-state": 11,
    "stack-rnn": 19,
    "bidir-rnn": 27,
    "stack-bidir-rnn": 39,
    "lstm": 51,
    "stack-bidir-lstm": 60,
}
# Of the numbers as float32, which are then printed with eight digits.
TOLERANCE, ROUNDING = 5e-8, 5e-9
NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]\d+)?")
# Without times, and with a stream in one piece.
QUIET = {"record_timing": False, "coalesce_streams": True}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(root, device, **options):
    """The notebook of a repository, executed in its own folder without the user's settings of IPython."""
    notebook = nbformat.read(root / NOTEBOOK, as_version=4)
    folder = {"metadata": {"path": str((root / NOTEBOOK).parent)}}
    client = nbclient.NotebookClient(notebook, timeout=300, resources=folder, **QUIET, **options)
    with tempfile.TemporaryDirectory() as settings:
        client.execute(env={**os.environ, "WGPU_RNN_DEVICE": device, "IPYTHONDIR": settings})
    return notebook


def outputs(cell, with_stderr=True):
    """The outputs of a cell: kind and text, for each type of a result."""
    found = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream" and (with_stderr or output.name == "stdout"):
            found.append((output.name, output.text))
        elif output.output_type == "error":
            found.append(("error", output.evalue))
        elif output.output_type in ("execute_result", "display_data"):
            found.extend(sorted(output.data.items()))
    return found


def printed(notebook):
    """All that the cells printed."""
    texts = (text for cell in notebook.cells for kind, text in outputs(cell) if kind == "stdout")
    return "".join(texts)


@pytest.fixture(scope="module")
def committed(repository):
    return nbformat.read(repository / NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(repository, device):
    return execute(repository, device)


@pytest.fixture(scope="module")
def golden(repository):
    return json.loads((repository / GOLDEN / "notebook_printed.json").read_text())


def test_every_number_of_mxnet_is_there(executed, golden):
    # In[n]: code  ok: verdict, and the rows of an array.
    block = re.compile(r"^In\[(\d+)\]: (.*\S) +ok: .*\n((?:[ \[].*\n)*)", re.MULTILINE)
    blocks = [(int(cell), code, rows) for cell, code, rows in block.findall(printed(executed))]
    tables = {table["cell"]: table for table in golden["tables"]}
    shapes = {shape["cell"]: shape for shape in golden["scalars"]}
    assert (len(tables), len(shapes)) == (28, 20)
    assert sorted(cell for cell, _, _ in blocks) == sorted([*tables, *shapes])
    compared = 0
    for cell, code, numbers in blocks:
        if cell in shapes:
            assert code == f"{shapes[cell]['code']} = {shapes[cell]['printed']}"
            continue
        assert code == tables[cell]["code"]
        ours = np.array(NUMBER.findall(numbers), float)
        theirs = np.array(tables[cell]["rows"], float).ravel()
        assert ours.shape == theirs.shape, f"In[{cell}]"
        assert np.abs(ours - theirs).max() <= TOLERANCE + ROUNDING, f"In[{cell}]"
        compared += len(ours)
    assert compared == 1101


def test_six_networks_and_sixteen_facts(executed):
    facts = re.findall(r"^ok: (.*)$", printed(executed), re.MULTILINE)
    assert len(facts) == 16
    summary = dict(outputs(executed.cells[-1]))["text/markdown"].splitlines()[2:]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in summary]
    assert [(row[0].strip("`"), row[1], row[2], int(row[3])) for row in rows] == [
        ("rnn", "(4, 5, 6)", "h: (1, 5, 6)", 105),
        ("stack_rnn", "(4, 5, 6)", "h: (2, 5, 6)", 90),
        ("bidir_rnn", "(4, 5, 12)", "h: (2, 5, 6)", 300),
        ("stack_bidir_rnn", "(4, 5, 12)", "h: (4, 5, 6)", 258),
        ("lstm", "(4, 5, 6)", "h, c: (1, 5, 6)", 60),
        ("stack_bidir_lstm", "(4, 5, 12)", "h, c: (4, 5, 6)", 288),
    ]
    assert all(0 <= float(number) <= TOLERANCE for row in rows for number in row[4:])


def test_committed_outputs_are_those_of_the_run(committed, executed, device):
    # Engines have their own last digits, names and warnings.
    compared = 0
    for before, after in zip(committed.cells, executed.cells):
        if before.id == "engine" and device != "cpu":
            continue
        was, now = outputs(before), outputs(after, with_stderr=device == "cpu")
        assert [kind for kind, _ in was] == [kind for kind, _ in now], before.id
        for (_, old), (_, new) in zip(was, now):
            texts = ("".join(NUMBER.sub("number", text).split()) for text in (old, new))
            assert len({*texts}) == 1, before.id
            numbers = (np.array(NUMBER.findall(text), float) for text in (old, new))
            assert np.allclose(*numbers, rtol=0, atol=2 * TOLERANCE), before.id
            compared += 1
    assert compared >= 40


def test_committed_file_has_no_noise(committed):
    assert committed.metadata == METADATA
    assert all(cell.metadata == {} for cell in committed.cells)
    counts = [cell.execution_count for cell in committed.cells if cell.cell_type == "code"]
    assert counts == [*range(1, len(counts) + 1)]


def test_other_weights_are_an_error_in_every_network(repository, device, tmp_path):
    (tmp_path / NOTEBOOK).parent.mkdir(parents=True)
    shutil.copy(repository / NOTEBOOK, tmp_path / NOTEBOOK)
    shutil.copytree(repository / GOLDEN, tmp_path / GOLDEN)
    for name in NETWORKS:
        change(tmp_path / GOLDEN / f"{name}.safetensors", "param.l0_h2h_weight", 1e-4)
    notebook = execute(tmp_path, device, allow_errors=True)
    errors = {cell.id: text for cell in notebook.cells for kind, text in outputs(cell) if kind == "error"}
    for where, cell in FIRST.items():
        assert re.match(rf"In\[{cell}\]: expected MXNet's final_output within 5e-08, found", errors[where])
    assert "conclusion" in errors


def change(path, name, by):
    """Add a number to a tensor of a file."""
    contents = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(contents[:8], "little")
    begin, end = json.loads(contents[8:start])[name]["data_offsets"]
    numbers = np.frombuffer(bytes(contents[start + begin : start + end]), "<f4") + np.float32(by)
    contents[start + begin : start + end] = numbers.tobytes()
    path.write_bytes(contents)


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[3]
    done = execute(root, "cpu")
    done.metadata = METADATA
    nbformat.write(done, root / NOTEBOOK)
