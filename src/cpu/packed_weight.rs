//! A weight matrix, packed for all of its products, and its product with rows of numbers.

use super::aligned::{Aligned, padded};
use super::arch::Arch;
use super::rows::{Columns, Rows};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis};
use pulp::{Simd, WithSimd};
use std::ops::Range;
use std::slice::ChunksExact;

/// Rows that are multiplied at a time. A compiler for a browser keeps a number of each in registers of their
/// own.
const TILE: usize = if cfg!(target_arch = "wasm32") { 4 } else { 6 };

/// Numbers of K that are multiplied at a time: a panel's are then 32 KiB at most, and stay in the first cache
/// for all rows.
const DEPTH: usize = 128;

/// Vectors that a panel is wide. With six rows their sums fill the registers: 24 of 32, or 12 of the 16 of
/// AVX2 and of a browser on x86.
const fn vectors(lanes: usize) -> usize {
    if lanes == 8 || cfg!(target_arch = "wasm32") { 2 } else { 4 }
}

/// Gates of H units, or of some of these units, over K numbers, `[G*H, K]`, with a bias: column g · Hp + j of
/// the product is unit j of gate g, where Hp is H in whole lines.
#[derive(Debug, Default)]
pub struct PackedWeight {
    /// `[panels, K, width]`, zero where there is no unit.
    panels: Aligned,
    /// `[columns]`
    bias: Aligned,
    depth: usize,
    columns: usize,
    width: usize,
}

impl PackedWeight {
    /// Packs some units of each gate.
    pub fn pack(
        arch: Arch,
        weight: ArrayView2<'_, f32>,
        bias: Option<ArrayView1<'_, f32>>,
        gates: usize,
        units: Range<usize>,
    ) -> PackedWeight {
        let (rows, depth) = weight.dim();
        let size = rows / gates;
        let stride = padded(units.len());
        let width = lanes(arch) * vectors(lanes(arch));
        let columns = (gates * stride).next_multiple_of(width);
        let mut panels = Aligned::zeros(columns * depth);
        let mut padded_bias = Aligned::zeros(columns);
        for gate in 0..gates {
            for (place, unit) in units.clone().enumerate() {
                let (index, column) = (gate * size + unit, gate * stride + place);
                let first = column / width * width * depth + column % width;
                for (k, &number) in weight.row(index).iter().enumerate() {
                    panels[first + k * width] = number;
                }
                padded_bias[column] = bias.map_or(0.0, |bias| bias[index]);
            }
        }
        PackedWeight { panels, bias: padded_bias, depth, columns, width }
    }

    /// Packs a transposed weight without a bias anew: K rows of `columns` numbers.
    pub fn pack_rows<'a>(
        &mut self,
        arch: Arch,
        columns: usize,
        rows: impl ExactSizeIterator<Item = &'a [f32]>,
    ) {
        self.width = lanes(arch) * vectors(lanes(arch));
        (self.depth, self.columns) = (rows.len(), columns.next_multiple_of(self.width));
        self.panels.resize(self.columns * self.depth);
        self.bias.resize(self.columns);
        self.bias.fill(0.0);
        for (k, row) in rows.enumerate() {
            for (panel, numbers) in row.chunks(self.width).enumerate() {
                let line = &mut self.panels[(panel * self.depth + k) * self.width..][..self.width];
                line[..numbers.len()].copy_from_slice(numbers);
                line[numbers.len()..].fill(0.0);
            }
        }
    }

    /// The length of a row of the product.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// K.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// `[rows, columns]`: each row times the matrix, and the bias, on `threads` threads. A row's result does
    /// not depend on other rows.
    pub fn product(&self, arch: Arch, rows: Rows<'_>, out: &mut [f32], threads: usize) {
        self.product_in_turn(arch, rows, out, threads, 0);
    }

    /// A product whose weight is read at every time step. Odd turns read the panels from the last one on: the
    /// panels that the turn before read last are still in the cache.
    pub fn product_in_turn(&self, arch: Arch, rows: Rows<'_>, out: &mut [f32], threads: usize, turn: usize) {
        let out = ArrayViewMut2::from_shape((rows.count, self.columns), out).expect("made as long");
        let order = Order { adds: false, descends: turn % 2 == 1 };
        self.some_columns(arch, Left::Rows(rows), 0, out, threads, order);
    }

    /// The transpose of some columns times the matrix, added to what `out` holds, without a bias: the
    /// products of each [`DEPTH`] numbers of K are added up before they are added to the others.
    pub fn add_product(&self, arch: Arch, columns: Columns<'_>, out: &mut [f32], threads: usize) {
        let out = ArrayViewMut2::from_shape((columns.width, self.columns), out).expect("made as long");
        let order = Order { adds: true, descends: false };
        self.some_columns(arch, Left::Columns(columns), 0, out, threads, order);
    }

    fn some_columns(
        &self,
        arch: Arch,
        left: Left<'_>,
        first: usize,
        out: ArrayViewMut2<'_, f32>,
        threads: usize,
        order: Order,
    ) {
        let panels = out.ncols() / self.width;
        let threads = threads.min(panels);
        if threads > 1 {
            let half = threads / 2;
            let columns = panels * half / threads * self.width;
            let (one, other) = out.split_at(Axis(1), columns);
            rayon::join(
                || self.some_columns(arch, left, first, one, half, order),
                || self.some_columns(arch, left, first + columns, other, threads - half, order),
            );
        } else {
            let end = first + out.ncols();
            let panels = &self.panels[first * self.depth..end * self.depth];
            let bias = &self.bias[first..end];
            arch.dispatch(Multiply { panels, bias, depth: self.depth, left, out, order });
        }
    }
}

/// The left operand of a product: rows, or the transpose of columns.
#[derive(Clone, Copy)]
enum Left<'a> {
    Rows(Rows<'a>),
    Columns(Columns<'a>),
}

impl Left<'_> {
    fn count(&self) -> usize {
        match self {
            Left::Rows(rows) => rows.count,
            Left::Columns(columns) => columns.width,
        }
    }
}

/// The numbers in a vector.
pub fn lanes(arch: Arch) -> usize {
    arch.dispatch(Lanes)
}

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

struct Multiply<'a> {
    panels: &'a [f32],
    bias: &'a [f32],
    depth: usize,
    left: Left<'a>,
    out: ArrayViewMut2<'a, f32>,
    order: Order,
}

#[derive(Clone, Copy)]
struct Order {
    /// True to add to `out`, and leave the bias out.
    adds: bool,
    /// True to begin with the last panel.
    descends: bool,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Panels of a single row at a time: eight sums hide how long an addition takes.
        if vectors(S::F32_LANES) == 2 { self.panels::<S, 2, 4>(simd) } else { self.panels::<S, 4, 2>(simd) }
    }
}

impl Multiply<'_> {
    /// A panel after the other, which stays in the cache for all rows; P at a time for a single row.
    #[inline(always)]
    fn panels<S: Simd, const V: usize, const P: usize>(mut self, simd: S) {
        let panels = self.bias.len() / (V * S::F32_LANES);
        let at_once = if self.left.count() == 1 { P } else { 1 };
        let mut turn = 0;
        while turn < panels {
            let size = if turn + at_once <= panels { at_once } else { 1 };
            let index = if self.order.descends { panels - size - turn } else { turn };
            if size == 1 {
                self.rows::<S, V, 1>(simd, index)
            } else {
                self.rows::<S, V, P>(simd, index)
            }
            turn += size;
        }
    }

    /// All rows times P panels from this one on.
    #[inline(always)]
    fn rows<S: Simd, const V: usize, const P: usize>(&mut self, simd: S, index: usize) {
        let (left, depth, count) = (self.left, self.depth, self.left.count());
        // Blocks as even as can be: 16 rows are 6, 5 and 5.
        let blocks = count.div_ceil(TILE);
        let panels = &S::as_simd_f32s(self.panels).0.as_chunks::<V>().0[index * depth..];
        let panels: [_; P] = std::array::from_fn(|p| &panels[p * depth..][..depth]);
        let bias = &S::as_simd_f32s(self.bias).0.as_chunks::<V>().0[index..];
        let Some(bias) = bias.first_chunk::<P>() else { return };
        let column = index * V * S::F32_LANES;
        for k in (0..depth).step_by(DEPTH) {
            let panels = panels.map(|panel| &panel[k..depth.min(k + DEPTH)]);
            for block in 0..blocks {
                let (first, end) = (block * count / blocks, (block + 1) * count / blocks);
                let (out, at) = (&mut self.out, (first, column, k, self.order.adds));
                match end - first {
                    1 => tile::<S, V, P, 1>(simd, panels, bias, &left, out, at),
                    2 => tile::<S, V, P, 2>(simd, panels, bias, &left, out, at),
                    3 => tile::<S, V, P, 3>(simd, panels, bias, &left, out, at),
                    4 => tile::<S, V, P, 4>(simd, panels, bias, &left, out, at),
                    5 => tile::<S, V, P, 5>(simd, panels, bias, &left, out, at),
                    _ => tile::<S, V, P, TILE>(simd, panels, bias, &left, out, at),
                }
            }
        }
    }
}

/// M rows times P panels from k on, added to what is there, or to the bias. Each sum is taken in the order of
/// k, whatever M and P.
#[inline(always)]
fn tile<S: Simd, const V: usize, const P: usize, const M: usize>(
    simd: S,
    panels: [&[[S::f32s; V]]; P],
    bias: &[[S::f32s; V]; P],
    left: &Left<'_>,
    out: &mut ArrayViewMut2<'_, f32>,
    (first, column, k, adds): (usize, usize, usize, bool),
) {
    // Tiles of several rows have one panel.
    if P > 1 && M > 1 {
        return;
    }
    let depth = panels[0].len();
    let mut sums = if adds { [[[simd.splat_f32s(0.0); V]; P]; M] } else { [*bias; M] };
    if k > 0 && !adds {
        for (m, sums) in sums.iter_mut().enumerate() {
            let part = part::<S>(out, first + m, column, V * P);
            sums.as_flattened_mut().copy_from_slice(S::as_simd_f32s(part).0);
        }
    }
    match left {
        Left::Rows(rows) => {
            let mut tile: [&[f32]; M] = [&[]; M];
            for (m, row) in tile.iter_mut().enumerate() {
                *row = &rows.row(first + m, k + depth)[k..][..depth];
            }
            accumulate(simd, panels, &mut sums, OfRows(tile));
        }
        Left::Columns(columns) => {
            let rows = columns.part(k..k + depth).data.chunks_exact(columns.stride);
            accumulate(simd, panels, &mut sums, OfColumns { rows, first: columns.first + first });
        }
    }
    for (m, sums) in sums.iter().enumerate() {
        let (out, sums) = (part::<S>(out, first + m, column, V * P), sums.as_flattened());
        let out = S::as_mut_simd_f32s(out).0;
        if adds {
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = simd.add_f32s(*out, *sum));
        } else {
            out.copy_from_slice(sums);
        }
    }
}

/// M numbers of each k, which are asked for in turn.
trait Tile<const M: usize> {
    fn numbers(&mut self, k: usize) -> impl Fn(usize) -> f32;
}

struct OfRows<'a, const M: usize>([&'a [f32]; M]);

impl<const M: usize> Tile<M> for OfRows<'_, M> {
    #[inline(always)]
    fn numbers(&mut self, k: usize) -> impl Fn(usize) -> f32 {
        move |m| self.0[m][k]
    }
}

/// Rows of one length, which the compiler checks once. A check of each k takes an eighth of AVX2's speed.
struct OfColumns<'a> {
    rows: ChunksExact<'a, f32>,
    first: usize,
}

impl<const M: usize> Tile<M> for OfColumns<'_> {
    #[inline(always)]
    fn numbers(&mut self, _: usize) -> impl Fn(usize) -> f32 {
        let row = &self.rows.next().unwrap_or_default()[self.first..][..M];
        move |m| row[m]
    }
}

/// A statement for each number below a constant, of 6 at most, written out. Where size counts, a compiler
/// leaves loops as they are, and the sums that they go over in memory.
macro_rules! each {
    ($count:ident, $number:ident, $statement:block) => {
        each!(@ 0, $count, $number, $statement);
        each!(@ 1, $count, $number, $statement);
        each!(@ 2, $count, $number, $statement);
        each!(@ 3, $count, $number, $statement);
        each!(@ 4, $count, $number, $statement);
        each!(@ 5, $count, $number, $statement);
    };
    (@ $at:literal, $count:ident, $number:ident, $statement:block) => {
        if $at < $count {
            let $number = $at;
            $statement
        }
    };
}

/// Adds the products of M numbers of each k with P panels.
#[inline(always)]
fn accumulate<S: Simd, const V: usize, const P: usize, const M: usize>(
    simd: S,
    panels: [&[[S::f32s; V]]; P],
    sums: &mut [[[S::f32s; V]; P]; M],
    mut tile: impl Tile<M>,
) {
    let mut own = *sums;
    let depth = panels[0].len();
    // All panels have one length, which the compiler is shown.
    let panels = panels.map(|panel| &panel[..depth]);
    #[allow(clippy::needless_range_loop, reason = "k is a place in all panels")]
    for k in 0..depth {
        let number = tile.numbers(k);
        each!(P, p, {
            let weights = &panels[p][k];
            each!(M, m, {
                let x = simd.splat_f32s(number(m));
                each!(V, v, {
                    own[m][p][v] = simd.mul_add_e_f32s(weights[v], x, own[m][p][v]);
                });
            });
        });
    }
    *sums = own;
}

/// So many vectors of a row of the product.
#[inline(always)]
fn part<'a, S: Simd>(
    out: &'a mut ArrayViewMut2<'_, f32>,
    row: usize,
    column: usize,
    vectors: usize,
) -> &'a mut [f32] {
    // Rows of the product lie in one piece.
    let row = out.row_mut(row).into_slice().expect("a row in one piece");
    &mut row[column..][..vectors * S::F32_LANES]
}
