// A tile of rows and a workgroup's columns per workgroup of the dispatch.
fn run(local: u32, group: vec3<u32>, groups: vec3<u32>) {
    let row = tile_of(group, groups) * ROWS;
    if row < rows() {
        run_tile(row, column_of(group.x, local));
    }
}
