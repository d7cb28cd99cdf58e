// Four adjacent units per invocation: fewer reads, for software adapters.
const UNITS: u32 = 4u;

fn epilogue(row: u32, column: u32, sum: Gates) {
    unit_epilogue(row, 4u * column, sum.x);
    unit_epilogue(row, 4u * column + 1u, sum.y);
    unit_epilogue(row, 4u * column + 2u, sum.z);
    unit_epilogue(row, 4u * column + 3u, sum.w);
}
