"""Compares the examples `vad` and `diacritize` with the packages whose models they run, on real input.

    cargo build --release --examples
    python3 -m venv venv && venv/bin/pip install -r ../golden/requirements.txt scipy==1.17.1 packaging==26.4
    venv/bin/pip install --no-deps silero-vad==6.2.3 arabic-diacritizer==1.0.0
    for name in vad diacritize; do python3 ../../examples/fetch.py $name models; done
    venv/bin/python real_examples.py ../../target/release/examples models

With espeak-ng on the path, sentences in some languages are compared too.
"""

import gzip
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

import numpy
import torch
from diacritize.pipeline import Diacritizer
from diacritize.config import ASSETS_DIR, LABEL_MAP
from diacritize.unicode_utils import extract_diacritics, strip_diacritics
from safetensors.torch import load_file
from scipy.io import wavfile
from scipy.signal import resample_poly
from silero_vad import get_speech_timestamps, load_silero_vad
from torch.nn import functional

RATE, CHUNK, TOLERANCE = 16_000, 512, 1e-5
EXAMPLES, MODELS = sys.argv[1:3]
DEVICES = sys.argv[3:] or ["cpu"]
warnings.filterwarnings("ignore")
random = numpy.random.RandomState(14)

# The flags of a run, and the same settings of the package's function.
SETTINGS = [
    {},
    {"threshold": 0.3},
    {"threshold": 0.9, "neg_threshold": 0.2},
    {"min_speech_duration_ms": 1500},
    {"min_silence_duration_ms": 700, "speech_pad_ms": 250},
    {"speech_pad_ms": 0, "min_silence_duration_ms": 40, "min_speech_duration_ms": 90},
    {"max_speech_duration_s": 2},
    {"max_speech_duration_s": 5, "min_silence_at_max_speech": 40, "min_silence_duration_ms": 2000},
]


def model(name):
    return os.path.join(MODELS, name)


def recordings(folder):
    """Sound by name: floats from -1 to 1 that 16 bits hold."""
    _, speech = wavfile.read(model("test.wav"))
    speech = speech.astype(numpy.float64) / 32768
    noise = random.uniform(-1, 1, len(speech))
    yield "speech", speech
    yield "silence", numpy.zeros(3 * RATE)
    yield "noise", 0.3 * noise[:5 * RATE]
    yield "speech in noise", 0.5 * speech[:20 * RATE] + 0.02 * noise[:20 * RATE]
    yield "speech in loud noise", 0.5 * speech[:20 * RATE] + 0.2 * noise[:20 * RATE]
    yield "quiet speech", 0.01 * speech[20 * RATE:40 * RATE]
    yield "part of a chunk", speech[3 * RATE:3 * RATE + 300]
    if shutil.which("espeak-ng"):
        for voice, text in [("en", "Shall we begin? Yes, in a moment."), ("de", "Guten Tag. Wie geht es Ihnen?"), ("ru", "Доброе утро.")]:
            path = os.path.join(folder, "said.wav")
            subprocess.run(["espeak-ng", "-v", voice, "-w", path, text], check=True)
            rate, said = wavfile.read(path)
            said = resample_poly(said.astype(numpy.float64) / 32768, RATE, rate)
            yield f"espeak-ng {voice}", numpy.concatenate([numpy.zeros(RATE), said / 2, numpy.zeros(RATE)])


def ours(path, network, device, **settings):
    flags = itertools.chain.from_iterable((f"--{name.replace('_', '-')}", str(value)) for name, value in settings.items())
    command = [os.path.join(EXAMPLES, "vad"), path, "--model", model(network), "--device", device, "--json", *flags]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    return found["probabilities"], [{"start": s["start_sample"], "end": s["end_sample"]} for s in found["segments"]]


@torch.no_grad()
def by_package(network, sound):
    network.reset_states()
    chunks = functional.pad(sound, (0, -len(sound) % CHUNK)).split(CHUNK)
    return [network(chunk, RATE).item() for chunk in chunks]


class Double:
    """The network in PyTorch's functions and double precision."""

    def __init__(self, arrays):
        self.arrays = {name: array.double() for name, array in arrays.items()}
        self.cell = torch.nn.LSTMCell(128, 128).double()
        self.cell.load_state_dict({name.removeprefix("lstm_cell."): array for name, array in self.arrays.items() if "lstm" in name})

    def reset_states(self):
        self.state, self.context = None, torch.zeros(64, dtype=torch.float64)

    def __call__(self, chunk, _):
        of, sound = self.arrays, torch.cat([self.context, chunk.double()])
        self.context = sound[-64:]
        x = functional.conv1d(functional.pad(sound[None, None], (0, 64), "reflect"), of["stft_conv.weight"], stride=128)
        x = (x[:, :129] ** 2 + x[:, 129:] ** 2).sqrt()
        for place, stride in enumerate([1, 2, 2, 1], 1):
            weight, bias = of[f"conv{place}.weight"], of[f"conv{place}.bias"]
            x = functional.conv1d(x, weight, bias, stride=stride, padding=1).relu()
        self.state = self.cell(x[:, :, 0], self.state)
        return functional.conv1d(self.state[0].relu()[:, :, None], of["final_conv.weight"], of["final_conv.bias"]).sigmoid()


def renamed(jit):
    """The arrays of the package's model under the names of its safetensors file."""
    names = {"_model.stft.forward_basis_buffer": "stft_conv.weight"}
    for layer, own in [*((f"encoder.{place}.reparam_conv", f"conv{place + 1}") for place in range(4)), ("decoder.decoder.2", "final_conv")]:
        names.update({f"_model.{layer}.{part}": f"{own}.{part}" for part in ("weight", "bias")})
    names.update({f"_model.decoder.rnn.{part}_{of}": f"lstm_cell.{part}_{of}" for part in ("weight", "bias") for of in ("ih", "hh")})
    return {names[name]: array for name, array in jit.state_dict().items() if name in names}


def apart(one, other):
    return numpy.abs(numpy.subtract(one, other)).max()


def speech(folder):
    """Probabilities are judged by double precision; stretches of speech are those of the package's own models. The safetensors file
    has other weights than these, and no model in the package that runs without another framework."""
    jit, onnx = load_silero_vad(), load_silero_vad(onnx=True)
    judges = {"silero_vad.jit": Double(renamed(jit)), "silero_vad_16k.safetensors": Double(load_file(model("silero_vad_16k.safetensors")))}
    path, chunks, segments, worst = os.path.join(folder, "sound.wav"), 0, 0, {}
    for (name, sound), (file, judge), device in itertools.product(recordings(folder), judges.items(), DEVICES):
        numbers = numpy.clip(numpy.round(sound * 32768), -32768, 32767).astype(numpy.int16)
        wavfile.write(path, RATE, numbers)
        sound = torch.from_numpy(numbers.astype(numpy.float32) / 32768)
        exact = by_package(judge, sound)
        models = {"PyTorch": jit, "ONNX": onnx} if file == "silero_vad.jit" else {"judge": judge}
        probabilities, found = ours(path, file, device)
        assert len(probabilities) == len(exact) and apart(probabilities, exact) <= TOLERANCE, (name, file)
        worst["ours"] = max(worst.get("ours", 0), apart(probabilities, exact))
        for kind, own in models.items():
            theirs = by_package(own, sound)
            worst[kind] = max(worst.get(kind, 0), apart(theirs, exact))
            assert apart(probabilities, theirs) <= TOLERANCE + apart(theirs, exact), (name, kind)
            for settings in SETTINGS:
                found = ours(path, file, device, **settings)[1]
                with torch.no_grad():
                    expected = get_speech_timestamps(sound, own, **settings)
                assert found == expected, (name, file, settings, found, expected)
                segments += len(found)
        chunks += len(exact)
        print(f"{name}, {file}, {device}: {len(exact)} chunks, off by {apart(probabilities, exact):.1e}")
    off = ", ".join(f"{kind} {number:.1e}" for kind, number in worst.items() if kind != "judge")
    print(f"vad: {chunks} chunks, off double precision by at most: {off}; {segments} stretches by {len(SETTINGS)} settings equal")


def other_rates(folder):
    """The same recording at other rates: what is resampled is not the same sound."""
    _, sound = wavfile.read(model("test.wav"))
    path = os.path.join(folder, "other.wav")
    expected, segments = ours(model("test.wav"), "silero_vad.jit", "cpu")
    for rate in (48_000, 44_100, 22_050):
        wavfile.write(path, rate, resample_poly(sound.astype(numpy.float64) / 32768, rate, RATE, window=("kaiser", 12.0)).astype(numpy.float32))
        found, others = ours(path, "silero_vad.jit", "cpu")
        difference = numpy.abs(numpy.subtract(found[:len(expected)], expected[:len(found)]))
        starts = max(abs(one[key] - other[key]) for one, other in zip(segments, others) for key in one)
        assert len(segments) == len(others) and starts <= 2 * CHUNK, (rate, starts)
        print(f"vad at {rate} Hz: mean difference {difference.mean():.1e}, largest {difference.max():.1e}; "
              f"{len(others)} stretches, of which the ends differ by at most {starts} samples")


# Characters of a text at most: the package's attention takes time by their square.
MOST = 250
ODD = ["كتب 123 كتاب", "hello مرحبا", "بَسْمِ اللَّهِ", "ﷲ ﻻ ﷺ", "  مسافات  ", "؟", "\u200fكلام\u200f", "آمنوا بما أُنزِل", "مـــدّ", "یک"]


def tags():
    with gzip.open(os.path.join(ASSETS_DIR, "word_cache.json.gz"), "rt") as file:
        sentences = sorted(json.load(file)["sentences"])
    lines = [*ODD, *(sentences[place] for place in random.choice(len(sentences), 600, replace=False))]
    lines = [line.replace("\n", " ").replace("\r", " ") for line in lines if len(line) <= MOST]
    package = Diacritizer.from_pretrained(no_cache=True)
    theirs = [package.diacritize(line) for line in lines]
    command = [os.path.join(EXAMPLES, "diacritize"), "--model", model("bilstm_best.pt"), "--json"]
    for device in DEVICES:
        run = subprocess.run([*command, "--device", device], input="\n".join(lines) + "\n", text=True, check=True, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        ours = [json.loads(line) for line in run.stdout.split("\n") if line]
        assert len(ours) == len(lines)
        count = 0
        for line, found, expected in zip(lines, ours, theirs):
            assert found["text"] == expected, (line, found["text"], expected)
            assert found["characters"] == strip_diacritics(line)
            assert found["tags"] == [LABEL_MAP[label] for label in extract_diacritics(expected)]
            count += len(found["tags"])
        print(f"diacritize, {device}: {count} tags of {len(lines)} texts equal; {run.stderr.strip().splitlines()[-1]}")


with tempfile.TemporaryDirectory() as folder:
    speech(folder)
    other_rates(folder)
tags()
