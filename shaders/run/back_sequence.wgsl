// Many time steps on the way back in one dispatch. A workgroup has a tile of rows and all units of one
// direction, and no row depends on another one, so that invocations wait for their own workgroup alone.

// The rounds in which WORKGROUP invocations cover the units.
override TURNS: u32 = 1u;

fn run(local: u32, group: vec3<u32>, groups: vec3<u32>) {
    let first = tile_of(group, groups) * ROWS;
    if first >= dims.batch {
        return;
    }
    let steps = time_steps();
    for (var step = 0u; step < steps; step += 1u) {
        taken = step;
        for (var turn = 0u; turn < TURNS; turn += 1u) {
            run_tile(first, column_of(turn, local));
        }
        storageBarrier();
    }
}
