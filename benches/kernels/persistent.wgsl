// Workgroups that meet ROUNDS times without the host, as a kernel that stays for all time steps would have to: by a counter, or by
// the values themselves, each of which says by being there that it is. A wait that has used up its turns sets `given_up`, and all
// leave. A turn of the wait is long, since lavapipe ends all loops of an invocation after 65,535 turns: the host writes lines with
// {r} many times.

override ROUNDS: u32;
override TURNS: u32;
override BY_VALUE: bool;

@group(0) @binding(1) var<storage, read_write> arrived: array<atomic<u32>>;     // [1]
@group(0) @binding(2) var<storage, read_write> values: array<atomic<u32>>;      // [ROUNDS, W], zero where there is none yet
@group(0) @binding(3) var<storage, read_write> plain: array<u32>;               // [2, W], what the counter's barrier must show
@group(0) @binding(4) var<storage, read_write> given_up: array<atomic<u32>>;    // [1]
@group(0) @binding(5) var<storage, read_write> wrong: array<atomic<u32>>;       // [1], values that were not the right ones
@group(0) @binding(6) var<storage, read_write> finished: array<atomic<u32>>;    // [1], workgroups that came to their end
@group(0) @binding(7) var<storage, read_write> idle: array<atomic<u32>>;        // [W], to pass the time

var<workgroup> leaves: u32;
var<private> turns: u32 = 0u;

// Whether the wait may go on, after an idle while.
fn has_patience(me: u32) -> bool {
    turns += 1u;
    if turns > TURNS {
        atomicStore(&given_up[0], 1u);
    }
    atomicAdd(&idle[me], 1u); // {r}
    return atomicLoad(&given_up[0]) == 0u;
}

fn meet_by_counter(round: u32, me: u32, workgroups: u32) -> bool {
    // Of even and odd rounds apart: nobody writes what a slower one still reads.
    let half = round % 2u * workgroups;
    plain[half + me] = round + 1u;
    storageBarrier();
    atomicAdd(&arrived[0], 1u);
    while atomicLoad(&arrived[0]) < (round + 1u) * workgroups {
        if !has_patience(me) {
            return false;
        }
    }
    storageBarrier();
    if plain[half + (me + 1u) % workgroups] != round + 1u {
        atomicAdd(&wrong[0], 1u);
    }
    return true;
}

fn meet_by_value(round: u32, me: u32, workgroups: u32) -> bool {
    atomicStore(&values[round * workgroups + me], round + 1u);
    for (var other = 0u; other < workgroups; other += 1u) {
        let at = round * workgroups + other;
        while atomicLoad(&values[at]) == 0u {
            if !has_patience(me) {
                return false;
            }
        }
        if atomicLoad(&values[at]) != round + 1u {
            atomicAdd(&wrong[0], 1u);
        }
    }
    return true;
}

// The first invocation of a workgroup meets the others for all.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var round = 0u; round < ROUNDS; round += 1u) {
        if lane == 0u {
            var met: bool;
            if BY_VALUE {
                met = meet_by_value(round, group.x, groups.x);
            } else {
                met = meet_by_counter(round, group.x, groups.x);
            }
            leaves = select(1u, 0u, met);
        }
        if workgroupUniformLoad(&leaves) == 1u {
            return;
        }
    }
    if lane == 0u {
        atomicAdd(&finished[0], 1u);
    }
}
