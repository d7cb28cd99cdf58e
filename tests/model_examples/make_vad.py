"""Makes data/vad.safetensors, a small network of the structure of Silero's with random weights, data/vad.wav, and data/vad.json: the
probabilities that PyTorch computes in double precision. And data/segments.json: stretches of speech in random probabilities, by the
package silero-vad.

    python3 -m venv venv && venv/bin/pip install -r ../golden/requirements.txt packaging==26.4
    venv/bin/pip install --no-deps silero-vad==6.2.3 && venv/bin/python make_vad.py
"""

import json
import os
import wave

import numpy
import torch
from safetensors.torch import save_file
from silero_vad.utils_vad import get_speech_timestamps_from_probs
from torch import nn
from torch.nn import functional

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
RATE, WINDOW = 16_000, 32
CHUNK, CONTEXT = 2 * WINDOW, WINDOW // 4
CHANNELS, HIDDEN = [WINDOW // 2 + 1, 11, 6, 5, 7], 13
random = numpy.random.RandomState(5)


def path(name):
    return os.path.join(DATA, name)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        places, frequencies = torch.arange(WINDOW), torch.arange(WINDOW // 2 + 1)[:, None]
        angles = 2 * torch.pi * frequencies * places / WINDOW
        self.stft_conv = nn.Conv1d(1, WINDOW + 2, WINDOW, stride=WINDOW // 2, bias=False)
        self.stft_conv.weight.data = torch.cat([angles.cos(), -angles.sin()])[:, None] * torch.hann_window(WINDOW)
        for place, stride in enumerate([1, 2, 2, 1]):
            layer = nn.Conv1d(CHANNELS[place], CHANNELS[place + 1], 3, stride=stride, padding=1)
            setattr(self, f"conv{place + 1}", layer)
        self.lstm_cell = nn.LSTMCell(CHANNELS[-1], HIDDEN)
        self.final_conv = nn.Conv1d(HIDDEN, 1, 1)
        # Weights for which probabilities go up and down.
        self.final_conv.weight.data *= 90
        for name, array in self.named_parameters():
            if "lstm" in name or "conv" in name and "stft" not in name and "final" not in name:
                array.data *= 3

    def forward(self, sound, state):
        x = self.stft_conv(functional.pad(sound[None, None], (0, CONTEXT), "reflect"))
        cosines, sines = x.split(WINDOW // 2 + 1, dim=1)
        x = (cosines ** 2 + sines ** 2).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = layer(x).relu()
        state = self.lstm_cell(x[:, :, 0], state)
        return self.final_conv(state[0].relu()[:, :, None]).sigmoid().item(), state


def probabilities(network, sound):
    """Chunks with the end of the chunk before in front of each."""
    sound = functional.pad(sound, (CONTEXT, -len(sound) % CHUNK))
    state, found = None, []
    for start in range(0, len(sound) - CONTEXT, CHUNK):
        probability, state = network(sound[start:start + CONTEXT + CHUNK], state)
        found.append(probability)
    return found


def crossings(found):
    return sum((one > 0.5) != (other > 0.5) for one, other in zip(found, found[1:]))


def vad():
    # Bursts of tones in noise, of 8 bits, so that every kind of WAV file holds the same numbers; the last chunk is a part.
    time = numpy.arange(6_011) / RATE
    sound = 0.03 * random.uniform(-1, 1, len(time))
    for start, hertz in [(0.04, 300), (0.12, 1_700), (0.22, 700), (0.31, 4_100)]:
        sound += 0.6 * numpy.sin(2 * numpy.pi * hertz * time) * ((start < time) & (time < start + 0.04))
    numbers = numpy.round(sound * 128).clip(-128, 127).astype(numpy.int16) * 256
    with wave.open(path("vad.wav"), "wb") as file:
        file.setparams((1, 2, RATE, len(numbers), "NONE", ""))
        file.writeframes(numbers.astype("<i2").tobytes())
    # Most random networks give one answer to all sounds.
    for seed in range(1_000):
        torch.manual_seed(seed)
        network = Network()
        with torch.no_grad():
            found = probabilities(network.double(), torch.from_numpy(numbers.astype(numpy.float64) / 32768))
        if crossings(found) >= 8 and min(found) < 0.1 and max(found) > 0.9:
            break
    arrays = {name: array.float().contiguous() for name, array in network.state_dict().items()}
    save_file(arrays, path("vad.safetensors"))
    os.chmod(path("vad.safetensors"), 0o644)
    with open(path("vad.json"), "w") as file:
        json.dump(found, file)
    print(len(found), "chunks,", crossings(found), "crossings, seed", seed)


def segments():
    pick = lambda *values: values[random.randint(len(values))]
    cases = []
    for number in range(120):
        chunks = int(random.randint(0, 220))
        # Pieces of speech and of silence, with numbers between.
        level, probabilities = 0.0, []
        while len(probabilities) < chunks:
            level = 1 - level
            piece = random.randint(1, pick(4, 12, 60))
            noise = random.uniform(0, pick(0.2, 0.45, 0.9), piece)
            probabilities += [round(256 * abs(level - x)) for x in noise]
        probabilities = probabilities[:chunks]
        rules = {
            "threshold": pick(0.5, 0.3, 0.8, 0.05),
            "min_speech_duration_ms": pick(250, 0, 97, 64, 64, 1000),
            "max_speech_duration_s": pick(float("inf"), 1, 2.5, 0.3),
            "min_silence_duration_ms": pick(100, 0, 33, 400, 2000),
            "speech_pad_ms": pick(30, 0, 7.3, 200),
            "min_silence_at_max_speech": pick(98, 20, 300),
        }
        samples = max(0, 512 * chunks - int(random.randint(0, 512))) if number % 2 else 512 * chunks
        neg = pick(None, 0.1, 0.25, 0.4)
        exact = [p / 256 for p in probabilities]
        found = get_speech_timestamps_from_probs(exact, audio_length_samples=samples, neg_threshold=neg, **rules)
        if rules["max_speech_duration_s"] == float("inf"):
            rules["max_speech_duration_s"] = None
        cases.append({"of_256": probabilities, "samples": samples, "neg_threshold": neg, **rules,
                      "segments": [[s["start"], s["end"]] for s in found]})
    with open(path("segments.json"), "w") as file:
        json.dump(cases, file)
    print(len(cases), "cases,", sum(len(case["segments"]) for case in cases), "stretches")


vad()
segments()
