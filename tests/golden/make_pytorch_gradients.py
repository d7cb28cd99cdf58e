"""Makes pytorch_gradients.safetensors: the gradients that torch.autograd gives, in double precision.

The networks are written here step by step, of torch's functions, since torch.nn has few of the options; where torch.nn has
the network too, both are compared first. Each case has random gradients by its outputs, `grad_output`, `grad_h_n` and so on
(a case with one of them alone is a test of its own), and the gradients `grad_input`, `grad_h0`, `grad_c0` and `grad.NAME` of
every weight.
"""

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from golden import Random, save

T, N, I, H, P = 4, 3, 2, 5, 3
LENGTHS = [2, 4, 0]
GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}
ALL = ("output", "h_n", "c_n")

random = Random(11)

ACTIVATIONS = {
    "relu": lambda x, a, b: torch.relu(x),
    "tanh": lambda x, a, b: torch.tanh(x),
    "sigmoid": lambda x, a, b: torch.sigmoid(x),
    "softsign": lambda x, a, b: torch.nn.functional.softsign(x),
    "softplus": lambda x, a, b: torch.nn.functional.softplus(x, threshold=500),
    "leaky_relu": lambda x, a, b: torch.nn.functional.leaky_relu(x, a),
    "elu": lambda x, a, b: torch.nn.functional.elu(x, a),
    "thresholded_relu": lambda x, a, b: torch.nn.functional.threshold(x, a, 0.0),
    "affine": lambda x, a, b: a * x + b,
    "hard_sigmoid": lambda x, a, b: torch.nn.functional.hardtanh(a * x + b, 0.0, 1.0),
    "scaled_tanh": lambda x, a, b: a * torch.tanh(b * x),
}


def activation(text):
    name, *parameters = text.split(":")
    a, b = [*map(float, parameters), 0.0, 0.0][:2]
    return lambda x: ACTIVATIONS[name](x, a, b)


def clamp(x, least, most):
    return x.clamp(least, most)


def step(kind, w, settings, x, h, c):
    """One time step of all rows."""
    bound = settings.get("preactivation_clip")
    functions = [activation(text) for text in settings["activations"]]
    f, g = [lambda x, act=act: act(x if bound is None else clamp(x, -bound, bound)) for act in (functions * 2)[:2]]

    def norm(sums, name):
        if "weight_norm_ih" not in w:
            return sums
        return torch.nn.functional.layer_norm(sums, sums.shape[-1:], w["weight_norm_" + name], w["bias_norm_" + name])

    def gates(name, x, weight):
        sums = norm(x @ w["weight_" + weight].T, name)
        return sums + w["bias_" + weight] if "bias_" + weight in w else sums

    x, size = gates("ih", x, "ih"), w["weight_hh"].shape[0] // GATES[kind]
    if kind.startswith("rnn"):
        return f(x + gates("hh", h, "hh")), c
    if kind == "gru":
        xr, xz, xn = x.split(size, -1)
        hr, hz, hn = gates("hh", h, "hh").split(size, -1)
        r, z = f(xr + hr), f(xz + hz)
        if settings.get("gru_reset") == "before":
            hn = gates("hh", r * h, "hh").split(size, -1)[2]
            n = g(xn + hn)
        else:
            n = g(xn + r * hn)
        return (1 - z) * n + z * h, c
    i, fg, gg, o = (x + gates("hh", h, "hh")).split(size, -1)
    p = w["weight_peephole"].split(size) if "weight_peephole" in w else [torch.zeros(size, dtype=x.dtype)] * 3
    i = f(i + p[0] * c)
    fg = 1 - i if settings.get("coupled_input_forget") else f(fg + p[2] * c)
    c = fg * c + i * g(gg)
    if "cell_clip" in settings:
        c = clamp(c, *settings["cell_clip"])
    o = f(o + p[1] * c)
    seen = norm(c, "c")
    h = o * functions[2](seen)
    if "weight_hr" in w:
        h = h @ w["weight_hr"].T
    return h, c


def direction(kind, w, settings, sequence, h, c, lengths, is_reverse):
    """All steps of a direction, each row to its own end; zero past it."""
    outputs, cells, finals = [], [], []
    for row, length in enumerate(lengths):
        own_h, own_c = h[row], None if c is None else c[row]
        steps = {}
        for t in reversed(range(length)) if is_reverse else range(length):
            own_h, own_c = step(kind, w, settings, sequence[t, row], own_h, own_c)
            steps[t] = (own_h, own_c)
        zeros = (torch.zeros_like(own_h), None if c is None else torch.zeros_like(own_c))
        steps = [steps.get(t, zeros) for t in range(sequence.shape[0])]
        outputs.append(torch.stack([h for h, _ in steps]))
        cells.append(None if c is None else torch.stack([c for _, c in steps]))
        finals.append((own_h, own_c))
    stack = lambda arrays, axis: None if c is None and arrays[0] is None else torch.stack(arrays, axis)
    return stack(outputs, 1), stack(cells, 1), torch.stack([h for h, _ in finals]), stack([c for _, c in finals], 0)


MERGES = {
    "concatenate": lambda one, other: torch.cat([one, other], -1),
    "sum": lambda one, other: one + other,
    "average": lambda one, other: (one + other) / 2,
    "multiply": lambda one, other: one * other,
}


def philox(key, counter):
    """Philox4x32-10 (Salmon et al. 2011): four words of a counter."""
    low, mask = 0xFFFFFFFF, 0xFFFFFFFF
    key = [key & low, key >> 32]
    for _ in range(10):
        one, other = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(other >> 32) ^ counter[1] ^ key[0], other & mask, (one >> 32) ^ counter[3] ^ key[1], one & mask]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return counter


def dropout_mask(shape, layer, p, seed, call, is_variational):
    """0 or 1 / (1 - p) for each number of a layer's output [T, N, C]."""
    mask = torch.zeros(shape, dtype=torch.float64)
    for t in range(shape[0]):
        for n in range(shape[1]):
            for column in range(shape[2]):
                row = (0 if is_variational else t) * shape[1] + n
                word = philox(seed, [call, layer, row, column // 4])[column % 4]
                if word >= int(p * 2 ** 32):
                    mask[t, n, column] = 1 / (1 - p)
    return mask


def network(kind, tensors, settings, layers, suffixes, lengths):
    found = {}
    sequence, h_n, c_n = tensors["input"], [], []
    if settings.get("layout") == "ntc":
        sequence = sequence.transpose(0, 1)
    for layer in range(layers):
        results = []
        for index, suffix in enumerate(suffixes):
            ending = f"_l{layer}{suffix}"
            w = {name.removesuffix(ending): value for name, value in tensors.items() if name.endswith(ending)}
            slot = layer * len(suffixes) + index
            state = [tensors[name][slot] if name in tensors else None for name in ("h0", "c0")]
            if "initial_h" in w:
                state = [w["initial_" + name].expand(N, -1) if "initial_" + name in w else None for name in "hc"]
            is_reverse = bool(suffix) or settings.get("directions") == "backward"
            results.append(direction(kind, w, settings, sequence, *state, lengths, is_reverse))
        outputs = [output for output, _, _, _ in results]
        h_n += [h for _, _, h, _ in results]
        c_n += [c for _, _, _, c in results]
        merge = settings.get("merge", "concatenate")
        if merge == "apart":
            output = outputs[0]
            found["output_reverse"] = outputs[1]
        else:
            output = outputs[0] if len(outputs) == 1 else MERGES[merge](*outputs)
        if settings.get("residual") and layer > 0:
            output = output + sequence
        if "dropout" in settings and layer + 1 < layers:
            output = output * dropout_mask(output.shape, layer, *settings["dropout"])
        sequence = output
    found["output"] = sequence
    if settings.get("last_only"):
        finals = h_n[-len(suffixes):]
        found["output"] = (finals[0] if len(finals) == 1 else MERGES[merge](*finals))[None]
    if settings.get("cell_states"):
        found["cell_states"] = torch.cat([cells for _, cells, _, _ in results], -1)
    if settings.get("layout") == "ntc":
        for name in {"output", "output_reverse", "cell_states"} & found.keys():
            found[name] = found[name].transpose(0, 1)
    found["h_n"] = torch.stack(h_n)
    if kind == "lstm":
        found["c_n"] = torch.stack(c_n)
    return found


DEFAULTS = {"rnn_relu": ["relu"], "rnn_tanh": ["tanh"], "gru": ["sigmoid", "tanh"], "lstm": ["sigmoid", "tanh", "tanh"]}


def case(kind, layers=1, bidirectional=False, losses=ALL, lengths=None, proj_size=0, bias=True, peepholes=False,
         layer_norm=False, learned=False, preactivations=None, plain=False, **settings):
    suffixes = ["", "_reverse"] if bidirectional else [""]
    gates, state = GATES[kind], proj_size or H
    width = state * (2 if bidirectional and settings.get("merge", "concatenate") == "concatenate" else 1)
    features = width if settings.get("residual") else I
    found = {}
    for layer in range(layers):
        for suffix in suffixes:
            shapes = {"weight_ih": (gates * H, features if layer == 0 else width), "weight_hh": (gates * H, state)}
            if bias:
                shapes |= {"bias_ih": (gates * H,), "bias_hh": (gates * H,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, H)
            if peepholes:
                shapes["weight_peephole"] = (3 * H,)
            if layer_norm:
                for name, size in [("norm_ih", gates * H), ("norm_hh", gates * H), ("norm_c", H)]:
                    shapes |= {"weight_" + name: (size,), "bias_" + name: (size,)}
            if learned:
                shapes["initial_h"] = (state,)
                if kind == "lstm":
                    shapes["initial_c"] = (H,)
            for name, shape in shapes.items():
                found[f"{name}_l{layer}{suffix}"] = random(*shape, scale=0.8)
    if preactivations is not None:
        # Every pre-activation is this: 0 is a kink of most activations.
        for name in found:
            found[name] *= 0
            if name.startswith("bias_ih"):
                found[name] += preactivations
    slots = layers * len(suffixes)
    found["input"] = random(*((N, T, features) if settings.get("layout") == "ntc" else (T, N, features)))
    if not learned:
        found["h0"] = random(slots, N, state)
        if kind == "lstm":
            found["c0"] = random(slots, N, H, scale=0.8 if preactivations is None else 0.0)
    tensors = {name: torch.tensor(value).double().requires_grad_() for name, value in found.items()}
    if "lengths" in settings:
        raise ValueError("lengths is an argument")
    full = dict({"activations": DEFAULTS[kind]}, **settings)
    outputs = network(kind, tensors, full, layers, suffixes, lengths or [T] * N)
    if plain:
        compare(kind, tensors, outputs, layers, bidirectional, proj_size, bias, lengths)
    loss = 0
    for name, value in outputs.items():
        if name in losses or (name not in ALL and losses == ALL):
            found["grad_" + name] = random(*value.shape)
            loss = loss + (value * torch.tensor(found["grad_" + name]).double()).sum()
    loss.backward()
    names = {name: "grad." + name if "_l" in name else "grad_" + name for name in tensors}
    zeros = lambda tensor: torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
    found |= {names[name]: zeros(tensor).numpy() for name, tensor in tensors.items()}
    found |= {name: value.detach().numpy() for name, value in outputs.items()}
    if lengths:
        found["lengths"] = numpy_lengths(lengths)
    if bidirectional:
        settings.setdefault("directions", "both")
    if kind.startswith("rnn") and "activations" not in settings:
        settings["nonlinearity"] = kind[4:]
    if kind.startswith("rnn") and "activations" in settings:
        settings["nonlinearity"] = settings.pop("activations")[0]
    return settings, found


def numpy_lengths(lengths):
    import numpy
    return numpy.array(lengths, numpy.int64)


def compare(kind, tensors, outputs, layers, bidirectional, proj_size, bias, lengths):
    """With torch.nn, outputs and gradients of a sum."""
    base, _, nonlinearity = kind.partition("_")
    extra = {"proj_size": proj_size} if proj_size else {}
    extra |= {"nonlinearity": nonlinearity} if nonlinearity else {}
    module = getattr(torch.nn, base.upper())(I, H, layers, bias=bias, bidirectional=bidirectional, **extra).double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(tensors[name])
    state = tensors["h0"] if base != "lstm" else (tensors["h0"], tensors["c0"])
    if lengths and 0 not in lengths:
        packed = pack_padded_sequence(tensors["input"], torch.tensor(lengths), enforce_sorted=False)
        output, _ = module(packed, state)
        output = pad_packed_sequence(output, total_length=T)[0]
    elif not lengths:
        output, _ = module(tensors["input"], state)
    else:
        return
    assert torch.allclose(output, outputs["output"], rtol=0, atol=1e-14)
    names = [name for name, _ in module.named_parameters()]
    theirs = torch.autograd.grad((output ** 2).sum(), list(module.parameters()) + [tensors["input"]])
    ours = torch.autograd.grad((outputs["output"] ** 2).sum(), [tensors[name] for name in names] + [tensors["input"]],
                               retain_graph=True)
    for one, other in zip(ours, theirs):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-13)


def main():
    torch.set_num_threads(1)
    cases = {}
    for kind in ["rnn_relu", "rnn_tanh", "lstm", "gru"]:
        cases[f"{kind}"] = case(kind, plain=True)
        cases[f"{kind}-lengths"] = case(kind, 2, True, lengths=LENGTHS, plain=True)
    for kind in ["rnn_tanh", "lstm", "gru"]:
        cases[f"{kind}-learned"] = case(kind, 1, True, learned=True, lengths=LENGTHS)
    for kind in ["lstm", "gru"]:
        cases[f"{kind}-3f"] = case(kind, 3, plain=True)
        cases[f"{kind}-2b"] = case(kind, 2, True, plain=True)
    for alone in ALL:
        cases[f"lstm-{alone}-alone"] = case("lstm", 1, True, losses=(alone,), plain=True)
    for alone in ("output", "h_n"):
        cases[f"gru-{alone}-alone"] = case("gru", 1, True, losses=(alone,), plain=True)
    cases["lstm-reverse"] = case("lstm", directions="backward", lengths=LENGTHS)
    cases["lstm-no-bias"] = case("lstm", 1, True, bias=False, plain=True)
    cases["gru-reset-before"] = case("gru", 2, True, gru_reset="before", lengths=LENGTHS)
    cases["lstm-projection"] = case("lstm", 2, True, proj_size=P, plain=True, lengths=[2, 4, 1])
    cases["lstm-peepholes"] = case("lstm", 1, True, peepholes=True, lengths=LENGTHS)
    cases["lstm-coupled-peepholes"] = case("lstm", peepholes=True, coupled_input_forget=True)
    cases["lstm-clip-peepholes"] = case("lstm", 1, True, peepholes=True, cell_clip=[-0.25, 0.125])
    cases["lstm-preactivation-clip"] = case("lstm", 1, True, preactivation_clip=0.5)
    cases["gru-preactivation-clip"] = case("gru", preactivation_clip=0.5)
    cases["lstm-layer-norm"] = case("lstm", 2, True, layer_norm=True, lengths=LENGTHS)
    cases["lstm-layer-norm-all"] = case("lstm", layer_norm=True, peepholes=True, coupled_input_forget=True, proj_size=P,
                                        cell_clip=[-0.5, 0.25], preactivation_clip=1.5, cell_states=True)
    for merge in ["sum", "average", "multiply", "apart"]:
        cases[f"gru-{merge}"] = case("gru", 1 if merge == "apart" else 2, True, merge=merge)
    cases["gru-residual"] = case("gru", 2, residual=True, merge="sum", bidirectional=True)
    cases["lstm-ntc"] = case("lstm", 1, True, layout="ntc", cell_states=True, lengths=LENGTHS)
    cases["lstm-last-only"] = case("lstm", 2, True, last_only=True, lengths=LENGTHS)
    cases["lstm-last-only-multiply"] = case("lstm", 1, True, last_only=True, merge="multiply", cell_states=True)
    cases["lstm-dropout"] = case("lstm", 3, True, dropout=[0.25, 0x123456789AB, 3, False])
    cases["gru-dropout-variational"] = case("gru", 2, True, lengths=LENGTHS, dropout=[0.5, 7, 0, True])
    cases["rnn-dropout-all"] = case("rnn_tanh", 2, True, dropout=[1.0, 7, 0, False])
    cases["gru-dropout-residual"] = case("gru", 3, True, residual=True, merge="sum", dropout=[0.5, 9, 1, False])
    parameters = {"leaky_relu": ":0.25", "elu": ":0.5", "thresholded_relu": ":0.125", "affine": ":0.75:0.25",
                  "hard_sigmoid": ":0.5:0.5", "scaled_tanh": ":1.5:0.75"}
    for name in ACTIVATIONS:
        text = name + parameters.get(name, "")
        cases[f"rnn-{name}"] = case("rnn_tanh", activations=[text])
        cases[f"lstm-{name}"] = case("lstm", activations=[text, text, text])
        kink = {"thresholded_relu": "thresholded_relu:0", "hard_sigmoid": "hard_sigmoid:0.5:0"}.get(name, text)
        cases[f"rnn-{name}-at-0"] = case("rnn_tanh", activations=[kink], preactivations=0)
    cases["lstm-cell-clip-at-0"] = case("lstm", preactivations=0, cell_clip=[0.0, 0.5])
    for kind in ["rnn_tanh", "lstm", "gru"]:
        cases[f"{kind}-preactivation-clip-at-bound"] = case(kind, preactivations=0.5, preactivation_clip=0.5)
    cases["gru-dropout"] = case("gru", 2, True, dropout=[0.5, 5, 0, False])
    save("pytorch_gradients.safetensors", cases, torch=torch.__version__)


main()
