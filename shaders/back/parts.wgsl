// A product whose K is in parts: the sums of each, behind all else that is carried, [D, PARTS, N, U].
fn part_at(part: u32, row: u32, unit: u32) -> u32 {
    return dims.carry_parts + ((direction * PARTS + part) * dims.batch + row) * dims.units + unit;
}
