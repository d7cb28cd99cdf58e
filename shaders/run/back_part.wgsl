// A tile of rows, a workgroup's columns and a part of K per workgroup of the dispatch.
var<private> part: u32;

fn run(local: u32, group: vec3<u32>, groups: vec3<u32>) {
    let row = tile_of(group, groups) * ROWS;
    part = group.x % PARTS;
    if row < rows() {
        run_tile(row, column_of(group.x / PARTS, local));
    }
}
