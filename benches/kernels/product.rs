//! The input product of a layer, `[T·N, K]` by `[K, C]`, from the plainest kernel to the one that ships.

use crate::gpu::{Failure, Gpu, Launch, Source, unrolled};
use crate::ladder::{Ladder, Version, in_blocks};
use ndarray::{Array1, Array2, Array3};
use wgpu_rnn::inspect::{Dispatch, StepIndex};
use wgpu_rnn::{Config, Dtype, Plan, mxnet};

/// T, N, and I and H of a bidirectional LSTM.
pub const SHAPES: [(usize, usize, usize); 2] = [(100, 16, 128), (50, 16, 256)];

/// A version by its own file: name, text, rows that are written out, rows and vectors of columns per
/// workgroup.
const OWN: [(&str, &str, usize, [usize; 2]); 6] = [
    ("naive", include_str!("product_naive.wgsl"), 1, [1, 16]),
    ("vectors", include_str!("product_vectors.wgsl"), 1, [1, 16]),
    ("block 4x4", include_str!("product_block.wgsl"), 4, [4, 64]),
    ("block 8x4", include_str!("product_block.wgsl"), 8, [8, 64]),
    ("block 16x4", include_str!("product_block.wgsl"), 16, [16, 64]),
    ("tile 64x64 in workgroup memory", include_str!("product_tile.wgsl"), 4, [64, 16]),
];

pub fn ladder(gpu: &Gpu, (steps, batch, size): (usize, usize, usize)) -> Result<Ladder, Failure> {
    let config = Config::lstm(size).bidirectional().input_size(size);
    let plan = Plan::new(&config, steps, batch, &gpu.limits)?;
    let pass = plan.passes().next().ok_or("an empty plan")?;
    let [dispatch] = &*pass.dispatches else { return Err("the product is cut".into()) };
    let (rows, depth, columns) = (steps * batch, size, 2 * 4 * size);
    let random = mxnet::Random::new(1);
    let draw = |rows, columns| random.uniform(-1.0, 1.0, (1, rows, columns)).remove_axis(ndarray::Axis(0));
    let (source, weight, bias): (Array2<f32>, Array2<f32>, Array1<f32>) =
        (draw(rows, depth), draw(depth, columns), draw(1, columns).remove_axis(ndarray::Axis(0)));
    let truth = source.mapv(f64::from).dot(&weight.mapv(f64::from)) + &bias.mapv(f64::from);

    let buffers = [gpu.buffer(&flat(&source)), gpu.buffer(&flat(&bias))];
    let version = |name: String, wgsl: &str, weight: &[f32], workgroups: [u32; 3], ships| {
        let overrides = if ships { dispatch.overrides.as_slice() } else { &[] };
        let kernel = gpu.kernel(&Source { wgsl, arrays: (3, 1), immediates: 0, overrides });
        let (weight, result) = (gpu.buffer(weight), gpu.zeros(rows * columns));
        let group = gpu.bind(&kernel, dispatch.dims.bytes(), &[&buffers[0], &weight, &buffers[1], &result]);
        let launches = vec![Launch { kernel, group, immediates: Vec::new(), workgroups }];
        Version { name, launches, results: vec![result], bytes: dispatch.bytes, ships }
    };
    let mut versions = Vec::new();
    for (name, wgsl, written_out, [rows_each, vectors_each]) in OWN {
        let text = unrolled(wgsl, written_out);
        let weight = match name {
            "naive" => flat(&weight),
            "vectors" => by_four_k(&weight, 1),
            _ if name.starts_with("block") => by_four_k(&weight, 4),
            _ => flat(&weight),
        };
        let groups = [(columns / 4).div_ceil(vectors_each) as u32, rows.div_ceil(rows_each) as u32, 1];
        versions.push(version(name.into(), &text, &weight, groups, false));
    }
    let Dispatch { kernel, tile, .. } = *dispatch;
    let text = kernel.wgsl(tile, StepIndex::Immediate, Dtype::F32);
    let name = format!("ships: rows {tile} of {} lanes", tile.invocations());
    let groups = plan.workgroups(dispatch, plan.steps);
    versions.push(version(name, &text, &in_blocks(&weight.view()), groups, true));
    Ok(Ladder {
        title: format!("product {rows} x {depth} x {columns}"),
        versions,
        truth: truth.into_iter().collect(),
        tolerance: 1e-5 * (depth as f64).sqrt(),
        flops: dispatch.flops,
        steps: 1,
    })
}

fn flat(matrix: &ndarray::ArrayRef<f32, impl ndarray::Dimension>) -> Vec<f32> {
    matrix.iter().copied().collect()
}

/// `[K, C]` as `[K/4, C / columns]` of some columns by 4 k.
fn by_four_k(matrix: &Array2<f32>, columns: usize) -> Vec<f32> {
    let (depth, all) = matrix.dim();
    let shape = (depth / 4, all / columns, columns * 4);
    let from = |(k, column, at): (usize, usize, usize)| matrix[[4 * k + at % 4, columns * column + at / 4]];
    Array3::from_shape_fn(shape, from).into_iter().collect()
}
