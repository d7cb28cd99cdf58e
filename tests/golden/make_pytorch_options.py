"""Makes pytorch_options.safetensors: what torch.nn computes, in double precision, with lengths (packed sequences), projections,
every layout, and, of equations that torch.nn has no module for, what torch's functions make of them.
"""

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from golden import LENGTHS, N, P, T, Random, save

# Smaller than the other scripts' sizes: two layers of two directions have many weights.
I, H = 2, 7

random = Random(1)


def parameters(module):
    return {name: parameter.detach().float().numpy() for name, parameter in module.named_parameters()}


def module_case(kind, layers=2, bidirectional=True, proj_size=0, lengths=None, batch_first=False, unbatched=False,
                packed=False):
    extra = {"proj_size": proj_size} if proj_size else {}
    base, _, nonlinearity = kind.partition("_")
    if nonlinearity:
        extra["nonlinearity"] = nonlinearity
    module = getattr(torch.nn, base.upper())(I, H, layers, bidirectional=bidirectional, batch_first=batch_first, **extra)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(2.0)
    found = parameters(module)
    shape = (T, I) if unbatched else (N, T, I) if batch_first else (T, N, I)
    found["input"] = random(*shape)
    slots = layers * (1 + bidirectional)
    rows = () if unbatched else (N,)
    found["h0"] = random(slots, *rows, proj_size or H)
    if base == "lstm":
        found["c0"] = random(slots, *rows, H)
    module = module.double()
    double = {name: torch.tensor(value).double() for name, value in found.items()}
    state = (double["h0"], double["c0"]) if base == "lstm" else double["h0"]
    x = double["input"]
    with torch.no_grad():
        if lengths is None:
            output, final = module(x, state)
        else:
            sequence = pack_padded_sequence(x, torch.tensor(lengths), batch_first, enforce_sorted=False)
            if packed:
                # As a caller has it who sorts by himself: the longest first, and states in that order.
                order = sequence.sorted_indices
                sequence = pack_padded_sequence(x[:, order], torch.tensor(lengths)[order])
                found["data"] = sequence.data.float().numpy()
                found["batch_sizes"] = sequence.batch_sizes.numpy()
                del found["input"]
            else:
                found["lengths"] = lengths
            output, final = module(sequence, state)
            output = output.data if packed else pad_packed_sequence(output, batch_first, total_length=T)[0]
    found["output"] = output.numpy()
    for name, value in zip(["h_n", "c_n"], final if base == "lstm" else (final,)):
        found[name] = value.numpy()
    settings = {"nonlinearity": nonlinearity} if nonlinearity else {}
    if batch_first:
        settings["layout"] = "ntc"
    return settings, found


def lstm_loop(layer_norm=False, cell_clip=None, lengths=None):
    """One forward layer, step by step: Ba et al. 2016, equations 20 to 22, or a clipped cell state."""
    found = {
        "weight_ih_l0": random(4 * H, I), "weight_hh_l0": random(4 * H, H),
        "bias_ih_l0": random(4 * H), "bias_hh_l0": random(4 * H),
        "input": random(T, N, I), "h0": random(1, N, H), "c0": random(1, N, H),
    }
    if layer_norm:
        for name, size in [("norm_ih", 4 * H), ("norm_hh", 4 * H), ("norm_c", H)]:
            found[f"weight_{name}_l0"], found[f"bias_{name}_l0"] = random(size), random(size)
    w = {name: torch.tensor(value).double() for name, value in found.items()}

    def norm(x, name):
        if not layer_norm:
            return x
        weight, bias = w[f"weight_{name}_l0"], w[f"bias_{name}_l0"]
        return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias)

    h, c = w["h0"][0], w["c0"][0]
    outputs = []
    for x in w["input"]:
        gates = norm(x @ w["weight_ih_l0"].T, "norm_ih") + norm(h @ w["weight_hh_l0"].T, "norm_hh")
        i, f, g, o = (gates + w["bias_ih_l0"] + w["bias_hh_l0"]).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        if cell_clip:
            c = c.clamp(*cell_clip)
        h = o.sigmoid() * norm(c, "norm_c").tanh()
        outputs.append((h, c))
    found["output"] = torch.stack([h for h, _ in outputs]).numpy()
    found["cell_states"] = torch.stack([c for _, c in outputs]).numpy()
    found["h_n"], found["c_n"] = h[None].numpy(), c[None].numpy()
    settings = {"cell_states": True}
    if cell_clip:
        settings["cell_clip"] = list(cell_clip)
    return settings, found


def main():
    torch.manual_seed(3)
    torch.set_num_threads(1)
    cases = {}
    for kind in ["rnn_relu", "rnn_tanh", "lstm", "gru"]:
        cases[f"{kind}-lengths"] = module_case(kind, lengths=LENGTHS)
        cases[f"{kind}-lengths-forward"] = module_case(kind, 1, False, lengths=LENGTHS)
        cases[f"{kind}-lengths-batch-first"] = module_case(kind, lengths=LENGTHS, batch_first=True)
        cases[f"{kind}-packed"] = module_case(kind, lengths=LENGTHS, packed=True)
        cases[f"{kind}-unbatched"] = module_case(kind, unbatched=True)
    cases["lstm-projection"] = module_case("lstm", proj_size=P)
    cases["lstm-projection-forward"] = module_case("lstm", 3, False, proj_size=P)
    cases["lstm-projection-lengths"] = module_case("lstm", proj_size=P, lengths=LENGTHS)
    cases["lstm-projection-packed"] = module_case("lstm", proj_size=P, lengths=LENGTHS, packed=True)
    cases["lstm-layer-norm"] = lstm_loop(layer_norm=True)
    cases["lstm-cell-clip"] = lstm_loop(cell_clip=(-0.25, 0.125))
    save("pytorch_options.safetensors", cases, torch=torch.__version__)


main()
