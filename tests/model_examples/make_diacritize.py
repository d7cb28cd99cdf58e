"""Makes data/diacritize.pt, a small network of the structure of arabic-diacritizer's with random weights, and data/diacritize.json:
texts, and the tags that PyTorch computes for their characters in double precision, one text at a time.

    python3 -m venv venv && venv/bin/pip install -r ../golden/requirements.txt
    venv/bin/pip install --no-deps arabic-diacritizer==1.0.0 && venv/bin/python make_diacritize.py
"""

import json
import os

import torch
from diacritize.config import ID_TO_LABEL
from diacritize.tokenizer import CharTokenizer
from diacritize.unicode_utils import apply_diacritics, strip_diacritics
from torch import nn

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
EMBEDDING, HIDDEN, LAYERS, TAGS = 7, 5, 3, 15
# A logit that is nearer to the highest one could win in single precision.
MARGIN = 1e-4
TEXTS = [
    "بسم الله الرحمن الرحيم", "كَتَبَ", "", "hello مرحبا, 12٣!", "ﷲ ﻻ", "مـــدّ", "  ؟ ", "\u200fقال: «نعم»", "\u064e\u0651", "ى",
    "آ أ إ ٱ", "ا\u0653 ي\u0654", "حدثنا علي بن محمد، حدثنا أبو معاوية، عن الأعمش، عن أبي سفيان، عن جابر، قال أتى النبي رجل وهو يخطب",
]


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        width = 2 * HIDDEN
        self.embedding = nn.Embedding(CharTokenizer().vocab_size, EMBEDDING, padding_idx=0)
        self.lstm = nn.LSTM(EMBEDDING, HIDDEN, num_layers=LAYERS, bidirectional=True, batch_first=True)
        self.attention = nn.ModuleDict({name: nn.Linear(width, 1 if name == "v" else width, bias=False) for name in "WUv"})
        self.classifier = nn.Linear(width, TAGS)
        # Weights by which characters, and their neighbours, tell on the tags.
        for name, array in self.named_parameters():
            scales = {"attention.v": 40, "attention": 12, "lstm": 3, "classifier.weight": 20}
            array.data *= next((scale for part, scale in scales.items() if name.startswith(part)), 1)

    def forward(self, rows):
        states = self.lstm(self.embedding(rows))[0]
        query, key = self.attention["W"](states)[:, :, None], self.attention["U"](states)[:, None]
        scores = self.attention["v"]((query + key).tanh())[..., 0]
        return self.classifier(scores.softmax(-1) @ states)[0]


def expected(network, text):
    characters = strip_diacritics(text)
    rows = CharTokenizer().encode(characters, add_special=False)
    if not rows:
        return [], "", 1.0
    with torch.no_grad():
        logits = network(torch.tensor([rows]))
    most = logits.topk(2).values
    tags = logits.argmax(-1).tolist()
    return tags, apply_diacritics(characters, [ID_TO_LABEL[tag] for tag in tags]), (most[:, 0] - most[:, 1]).min().item()


torch.set_num_threads(1)
# Most random networks give one tag to all characters.
for seed in range(1_000):
    torch.manual_seed(seed)
    network = Tagger().double()
    found = [expected(network, text) for text in TEXTS]
    used = {tag for tags, _, _ in found for tag in tags}
    if len(used) >= 7 and min(margin for _, _, margin in found) > MARGIN:
        break
torch.save(network.float().state_dict(), os.path.join(DATA, "diacritize.pt"))
network.double()
found = [expected(network, text) for text in TEXTS]
assert min(margin for _, _, margin in found) > MARGIN
cases = [{"text": text, "tags": tags, "marked": marked} for text, (tags, marked, _) in zip(TEXTS, found)]
with open(os.path.join(DATA, "diacritize.json"), "w") as file:
    json.dump(cases, file, indent=0, ensure_ascii=False)
used = {tag for tags, _, _ in found for tag in tags}
print("seed", seed, len(used), "tags of", sum(len(case["tags"]) for case in cases), "characters")
