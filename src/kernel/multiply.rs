//! The text of `multiply`, the product of a tile: a file of `shaders/multiply/`, whose rows, columns and
//! vectors of k are written out, since naga's loops keep a compiler from unrolling, and arrays with a changing
//! index would live in slow memory.

use super::{Read, Tile};

/// Vectors of k that a workgroup reads into its memory at a time.
pub(crate) const PIECE: u32 = 4;

/// Vectors of k in a turn of a loop: the loads that are in flight at once. A turn with few multiply-adds has
/// more of them, so that its count costs little.
pub(crate) const fn unrolled(rows: u32, gates: u32) -> u32 {
    match rows * gates {
        ..=8 => 8,
        _ => 4,
    }
}

/// The ways of a product's sums to the epilogue.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum End {
    /// The end of a GEMM: sums stay in registers.
    Gemm,
    /// The end of one time step's product.
    Step,
    /// The end of a sequence's product, whose loops have no turns to spare, and of the products on the way
    /// back, which have a loop of their own.
    Other,
}

/// The product of a tile with `gates` gates per column.
pub(super) fn multiply(tile: Tile, gates: u32, end: End) -> String {
    let (rows, lanes, columns, slices) = (tile.rows, tile.invocations(), tile.columns(gates), tile.slices());
    let unrolled = unrolled(rows, gates);
    let constants = |text: &str| {
        let values = [
            ("ROWS", rows),
            ("COLUMNS", columns),
            ("LANES", lanes),
            ("SLICES", slices),
            ("UNROLLED", unrolled),
            ("PIECE", PIECE),
            ("PARTS", tile.parts()),
        ];
        values.into_iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), &value.to_string())
        })
    };
    match tile.read {
        Read::Each => repeat(&constants(include_str!("../../shaders/multiply/each.wgsl")), &[('r', rows)]),
        Read::Unrolled => {
            let text = include_str!("../../shaders/multiply/unrolled.wgsl");
            repeat(&constants(text), &[('j', unrolled), ('r', rows)])
        }
        Read::Kept => {
            let text = include_str!("../../shaders/multiply/kept.wgsl");
            repeat(&constants(text), &[('j', tile.most_depth(gates) as u32), ('r', rows)])
        }
        Read::Shared => {
            let text = include_str!("../../shaders/multiply/shared.wgsl");
            let ends = match end {
                End::Gemm | End::Step => include_str!("../../shaders/multiply/rows_looped.wgsl"),
                End::Other => include_str!("../../shaders/multiply/rows_written.wgsl"),
            };
            repeat(&constants(&[text, ends].concat()), &[('e', rows / 8), ('n', 8)])
        }
        Read::Split | Read::SplitWide => {
            let text = include_str!("../../shaders/multiply/split.wgsl");
            repeat(&constants(text), &[('j', unrolled), ('r', rows), ('s', slices)])
        }
        Read::Workgroup | Read::Parts(_) => {
            let text = include_str!("../../shaders/multiply/workgroup.wgsl");
            let reads = |vectors: u32| (vectors * PIECE).div_ceil(lanes);
            let own =
                [('r', 8 * rows / lanes), ('c', columns / 8), ('i', reads(rows)), ('l', reads(columns))];
            let pieces = match gates {
                1 => include_str!("../../shaders/multiply/pieces_1.wgsl"),
                2 => include_str!("../../shaders/multiply/pieces_2.wgsl"),
                3 => include_str!("../../shaders/multiply/pieces_3.wgsl"),
                _ => include_str!("../../shaders/multiply/pieces_4.wgsl"),
            };
            let is_part = tile.parts() > 1;
            let end = match end {
                End::Step | End::Other if !is_part => include_str!("../../shaders/multiply/end_step.wgsl"),
                _ => include_str!("../../shaders/multiply/end_gemm.wgsl"),
            };
            let k = match is_part {
                true => include_str!("../../shaders/multiply/k_part.wgsl"),
                false => include_str!("../../shaders/multiply/k_whole.wgsl"),
            };
            [&repeat(&constants(text), &own), pieces, end, &constants(k)].join("\n")
        }
        Read::Cooperative => include_str!("../../shaders/multiply/cooperative.wgsl").to_owned(),
    }
}

/// The text in the place of `multiply` where the sums of parts of K are added.
pub(super) fn sums(parts: u32) -> String {
    let text = include_str!("../../shaders/multiply/sums.wgsl").replace("{PARTS}", &parts.to_string());
    repeat(&text, &[('s', parts)])
}

/// The text, with each line that names indices, as `{r}`, written once for each of their values: the first
/// index of the list changes least often.
fn repeat(text: &str, indices: &[(char, u32)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for &(name, count) in indices {
        let mark = format!("{{{name}}}");
        let written = |line: String| -> Vec<String> {
            match line.contains(&mark) {
                true => (0..count).map(|value| line.replace(&mark, &value.to_string())).collect(),
                false => vec![line],
            }
        };
        lines = lines.into_iter().flat_map(written).collect();
    }
    lines.join("\n") + "\n"
}
