// The steps of N sequences, then their numbers of labels, then the labels, [N, L].
@group(0) @binding(2) var<storage, read> targets: array<u32>;

fn steps_of(n: u32) -> u32 {
    return min(targets[n], dims.steps);
}

fn labels_of(n: u32) -> u32 {
    return min(targets[dims.batch + n], dims.labels);
}

// The class of a state.
fn class_of(n: u32, state: u32) -> u32 {
    let label = min(state / 2u, max(dims.labels, 1u) - 1u);
    let at = 2u * dims.batch + n * dims.labels + label;
    return select(dims.blank, targets[min(at, arrayLength(&targets) - 1u)], state % 2u == 1u);
}
