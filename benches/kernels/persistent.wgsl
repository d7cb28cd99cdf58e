// Workgroups that meet ROUNDS times without the host, as a kernel that stays for all time steps would have
// to: by a counter, or by the values themselves, zero until written. A wait that has used up its turns sets
// `given_up`, and all workgroups leave. A turn of the wait is long, since lavapipe ends all loops of an
// invocation after 65,535 turns: the host writes lines with {r} many times.

override ROUNDS: u32;
override TURNS: u32;
override BY_VALUE: bool;

// [1]
@group(0) @binding(1) var<storage, read_write> arrived: array<atomic<u32>>;
// [ROUNDS, W], zero until written
@group(0) @binding(2) var<storage, read_write> values: array<atomic<u32>>;
// [2, W], numbers that the counter's barrier must show
@group(0) @binding(3) var<storage, read_write> plain: array<u32>;
// [1]
@group(0) @binding(4) var<storage, read_write> given_up: array<atomic<u32>>;
// [1], count of wrong values
@group(0) @binding(5) var<storage, read_write> wrong: array<atomic<u32>>;
// [1], count of workgroups that came to their end
@group(0) @binding(6) var<storage, read_write> finished: array<atomic<u32>>;
// [W], to pass the time
@group(0) @binding(7) var<storage, read_write> idle: array<atomic<u32>>;

var<workgroup> leaves: u32;
var<private> turns: u32 = 0u;

// False once a workgroup has given up; passes time first.
fn has_patience(me: u32) -> bool {
    turns += 1u;
    if turns > TURNS {
        atomicStore(&given_up[0], 1u);
    }
    atomicAdd(&idle[me], 1u); // {r}
    return atomicLoad(&given_up[0]) == 0u;
}

fn meet_by_counter(round: u32, me: u32, workgroups: u32) -> bool {
    // Even and odd rounds apart: no workgroup writes a number that a slower one still reads.
    let first = round % 2u * workgroups;
    plain[first + me] = round + 1u;
    storageBarrier();
    atomicAdd(&arrived[0], 1u);
    while atomicLoad(&arrived[0]) < (round + 1u) * workgroups {
        if !has_patience(me) {
            return false;
        }
    }
    storageBarrier();
    if plain[first + (me + 1u) % workgroups] != round + 1u {
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
