//! A weight matrix, packed for all of its products, and its product with rows of numbers.

use super::aligned::{Aligned, padded};
use super::rows::{Columns, Rows};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Rows that are multiplied at a time.
const TILE: usize = 6;

/// Numbers of K that are multiplied at a time: a panel's are then 32 KiB at most, and stay in the first cache
/// for all rows.
const DEPTH: usize = 128;

/// Vectors that a panel is wide. With six rows their sums fill the registers: 24 of 32, or 12 of AVX2's 16.
const fn vectors(lanes: usize) -> usize {
    if lanes == 8 { 2 } else { 4 }
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

    /// The transpose of some columns times the matrix, added to what `out` holds, without a bias: the products
    /// of each [`DEPTH`] numbers of K are added up before they are added to the others.
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
        if vectors(S::F32_LANES) == 2 { self.panels::<S, 2>(simd) } else { self.panels::<S, 4>(simd) }
    }
}

impl Multiply<'_> {
    /// A panel after the other, which stays in the cache for all rows.
    #[inline(always)]
    fn panels<S: Simd, const V: usize>(mut self, simd: S) {
        let (left, count) = (self.left, self.left.count());
        // Blocks as even as can be: 16 rows are 6, 5 and 5.
        let blocks = count.div_ceil(TILE);
        let panels = S::as_simd_f32s(self.panels).0.as_chunks::<V>().0;
        let biases = S::as_simd_f32s(self.bias).0.as_chunks::<V>().0;
        let Order { adds, descends } = self.order;
        for turn in 0..biases.len() {
            let index = if descends { biases.len() - 1 - turn } else { turn };
            let (panel, bias) = (&panels[index * self.depth..][..self.depth], &biases[index]);
            let column = index * V * S::F32_LANES;
            for (part, panel) in panel.chunks(DEPTH).enumerate() {
                let k = part * DEPTH;
                for block in 0..blocks {
                    let (first, end) = (block * count / blocks, (block + 1) * count / blocks);
                    let (out, at) = (&mut self.out, (first, column, k, adds));
                    match end - first {
                        1 => tile::<S, V, 1>(simd, panel, bias, &left, out, at),
                        2 => tile::<S, V, 2>(simd, panel, bias, &left, out, at),
                        3 => tile::<S, V, 3>(simd, panel, bias, &left, out, at),
                        4 => tile::<S, V, 4>(simd, panel, bias, &left, out, at),
                        5 => tile::<S, V, 5>(simd, panel, bias, &left, out, at),
                        _ => tile::<S, V, TILE>(simd, panel, bias, &left, out, at),
                    }
                }
            }
        }
    }
}

/// M rows times a panel from k on, added to what is there, or to the bias. Each sum is taken in the order of
/// k, whatever M.
#[inline(always)]
fn tile<S: Simd, const V: usize, const M: usize>(
    simd: S,
    panel: &[[S::f32s; V]],
    bias: &[S::f32s; V],
    left: &Left<'_>,
    out: &mut ArrayViewMut2<'_, f32>,
    (first, column, k, adds): (usize, usize, usize, bool),
) {
    let mut sums = if adds { [[simd.splat_f32s(0.0); V]; M] } else { [*bias; M] };
    if k > 0 && !adds {
        for (m, sums) in sums.iter_mut().enumerate() {
            sums.copy_from_slice(S::as_simd_f32s(part::<S, V>(out, first + m, column)).0);
        }
    }
    match left {
        Left::Rows(rows) => {
            let mut tile: [&[f32]; M] = [&[]; M];
            for (m, row) in tile.iter_mut().enumerate() {
                *row = &rows.row(first + m, k + panel.len())[k..];
            }
            accumulate(simd, panel, &mut sums, OfRows(tile));
        }
        Left::Columns(columns) => {
            let columns = Columns { first: columns.first + first, width: M, ..*columns };
            accumulate(simd, panel, &mut sums, OfColumns(columns.part(k..k + panel.len())));
        }
    }
    for (m, sums) in sums.iter().enumerate() {
        let out = S::as_mut_simd_f32s(part::<S, V>(out, first + m, column)).0;
        if adds {
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = simd.add_f32s(*out, *sum));
        } else {
            out.copy_from_slice(sums);
        }
    }
}

/// Some numbers of each k.
trait Tile {
    fn number(&self, k: usize, m: usize) -> f32;
}

struct OfRows<'a, const M: usize>([&'a [f32]; M]);

impl<const M: usize> Tile for OfRows<'_, M> {
    #[inline(always)]
    fn number(&self, k: usize, m: usize) -> f32 {
        self.0[m][k]
    }
}

struct OfColumns<'a>(Columns<'a>);

impl Tile for OfColumns<'_> {
    #[inline(always)]
    fn number(&self, k: usize, m: usize) -> f32 {
        self.0.row(k)[m]
    }
}

/// Adds the products of M numbers of each k with a panel.
#[inline(always)]
fn accumulate<S: Simd, const V: usize, const M: usize>(
    simd: S,
    panel: &[[S::f32s; V]],
    sums: &mut [[S::f32s; V]; M],
    tile: impl Tile,
) {
    for (k, weights) in panel.iter().enumerate() {
        for (m, sums) in sums.iter_mut().enumerate() {
            let x = simd.splat_f32s(tile.number(k, m));
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add_e_f32s(*weight, x, *sum);
            }
        }
    }
}

/// A panel's part of a row of the product.
#[inline(always)]
fn part<'a, S: Simd, const V: usize>(
    out: &'a mut ArrayViewMut2<'_, f32>,
    row: usize,
    column: usize,
) -> &'a mut [f32] {
    // Rows of the product lie in one piece.
    let row = out.row_mut(row).into_slice().expect("a row in one piece");
    &mut row[column..][..V * S::F32_LANES]
}
