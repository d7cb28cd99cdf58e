//! Cooperative matrices are experimental in wgpu 30, and drivers are known that compute them wrongly. A
//! device gets cooperative matrices only where the adapter offers the sizes that the kernel needs, and is
//! used only if that kernel agrees with a plain kernel.

use super::prepared::{Prepared, Turn};
use super::{Gpu, Longest, numbers, staging::read_whole, weights::DeviceWeights};
use crate::kernel::{Kernel, Read, Tile, WORKGROUP};
use crate::network::Dtype;
use crate::plan::{BufferId, Limits, Pass, Plan, Workload};
use crate::{Config, Init, Result, Schedule, Tuning, Weights};

const FEATURES: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
    .union(wgpu::Features::SHADER_F16)
    .union(wgpu::Features::SUBGROUP);

/// The tile that cooperative tiles are compared with.
const DIRECT: Tile = Tile { rows: 1, read: Read::Each };

/// Times that each product is computed, since a race is not lost every time.
const RUNS: usize = 4;

/// The tolerance, of a number and of 1: four roundings to f16, since sums in another order may round to a
/// neighbour.
const TOLERANCE: f32 = 2e-3;

/// A device with cooperative matrices, if their products are right on the device. A device whose products are
/// wrong is dropped, lost or not.
pub(super) async fn open(
    adapter: &wgpu::Adapter,
    plain: &wgpu::DeviceDescriptor<'_>,
    unchecked: bool,
) -> Option<Gpu> {
    if !is_offered(adapter) {
        return None;
    }
    match open_and_check(adapter, plain, unchecked).await {
        Ok(gpu) => Some(gpu),
        Err(reason) => {
            log::warn!("cooperative matrices are not used: {reason}");
            None
        }
    }
}

/// True if an adapter has the matrices that the kernel is written for, and subgroups that divide a workgroup.
fn is_offered(adapter: &wgpu::Adapter) -> bool {
    use wgpu::CooperativeScalarType::{F16, F32};
    let sizes = adapter.cooperative_matrix_properties();
    adapter.features().contains(FEATURES)
        && adapter.get_info().subgroup_max_size <= WORKGROUP
        && sizes.iter().any(|one| {
            [one.m_size, one.n_size, one.k_size] == [16; 3] && (one.ab_type, one.cr_type) == (F16, F32)
        })
}

async fn open_and_check(
    adapter: &wgpu::Adapter,
    plain: &wgpu::DeviceDescriptor<'_>,
    unchecked: bool,
) -> Result<Gpu, String> {
    let descriptor = wgpu::DeviceDescriptor {
        required_features: plain.required_features | FEATURES,
        experimental_features: experimental(),
        ..plain.clone()
    };
    let mut gpu = Gpu::open(adapter, &descriptor, unchecked).await.map_err(|error| error.to_string())?;
    for tile in Tile::ALL.into_iter().filter(|tile| tile.read == Read::Cooperative) {
        check(&gpu, tile).await.map_err(|reason| format!("tile {tile}: {reason}"))?;
    }
    gpu.limits.cooperative = true;
    Ok(gpu)
}

/// The one place where wgpu's experimental features are allowed.
#[allow(unsafe_code, reason = "who chose the Cargo feature has asked for it")]
fn experimental() -> wgpu::ExperimentalFeatures {
    // SAFETY: wgpu asks that its user knows that these features may have bugs that reach undefined behaviour.
    // The Cargo feature says so and is off by default; it is the only one of them that is asked for, and one
    // kernel of the library's own is all that uses it. The kernel loads and stores whole matrices at constant
    // strides inside of its own arrays of workgroup memory, by every invocation of a subgroup at once.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// Compares a tile of the input's products with the direct tile: where rows, columns and K end in the middle
/// of the tile, on a K of many pieces, and on sums that go on from an earlier dispatch.
async fn check(gpu: &Gpu, tile: Tile) -> Result<(), String> {
    for (config, steps, batch) in [
        (Config::rnn_tanh(3).input_size(3), 1, 1),
        (Config::gru(33).bidirectional().input_size(70), 3, 23),
        (Config::lstm(37).bidirectional().num_layers(2).input_size(5), 5, 27),
        (Config::lstm(16).input_size(530), 2, 64),
    ] {
        let weights = Weights::init(&config, &Init::pytorch()).map_err(|error| error.to_string())?;
        let product = async |tile| {
            let product = product(gpu, &weights, (steps, batch), tile).await;
            product.map_err(|error| format!("{config:?}: {error}"))
        };
        let expected = product(DIRECT).await?;
        for _ in 0..RUNS {
            agree(&product(tile).await?, &expected).map_err(|reason| format!("{config:?}: {reason}"))?;
        }
    }
    Ok(())
}

/// The gates of the last layer's input, of a network that is fed with the same numbers in every layer.
async fn product(
    gpu: &Gpu,
    weights: &Weights,
    (steps, batch): (usize, usize),
    tile: Tile,
) -> Result<Vec<f32>> {
    let limits = Limits { cooperative: true, ..gpu.limits };
    let tuning = Tuning { schedule: Some(Schedule::Stepwise), gemm: Some(tile), step: None };
    let workload = Workload { dtype: Dtype::F16, tuning, ..Workload::new(steps, batch) };
    let mut plan = Plan::of_network(weights.network(), &workload, &limits)?;
    let is_product = |pass: &Pass| pass.dispatches.iter().any(|one| one.kernel == Kernel::Gemm);
    plan.forward.submits = vec![plan.forward.submits.into_iter().flatten().filter(is_product).collect()];
    let on_gpu = DeviceWeights::default().of(gpu, weights, workload.dtype, false).await?;
    let run = Prepared::new(gpu, &on_gpu, plan, false).await?;

    let dispatches = || run.plan.passes().flat_map(|pass| pass.dispatches.iter());
    let sources: Vec<BufferId> = dispatches().filter_map(|one| one.buffer("a")).collect();
    let target =
        dispatches().last().and_then(|one| one.buffer("input_gates")).expect("a network has a product");
    let planned = &run.plan.buffers[target.0];
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let staging = gpu.buffer("product", planned.bytes(), usage).await?;
    gpu.scoped(|| -> Result<()> {
        for &source in &sources {
            let buffer = &run.plan.buffers[source.0];
            let mut bytes = vec![0; buffer.bytes() as usize];
            numbers::store(&numbers(buffer.len), buffer.dtype, &mut bytes, "a")?;
            gpu.queue.write_buffer(run.buffer(source), 0, &bytes);
        }
        let longest = Longest::of(steps as u64);
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        run.record_submit(&mut encoder, Turn::Forward, 0, &longest, None);
        encoder.copy_buffer_to_buffer(run.buffer(target), 0, &staging, 0, planned.bytes());
        gpu.queue.submit([encoder.finish()]);
        Ok(())
    })
    .await??;
    let (bytes, dtype) = (read_whole(gpu, &staging).await?, planned.dtype);
    let numbers = bytes.chunks_exact(dtype.bytes() as usize).map(|bytes| numbers::number(bytes, dtype));
    let mut found: Vec<f32> = numbers.collect();
    found.truncate(planned.len as usize);
    Ok(found)
}

/// Numbers from -1 to 1 that f16 stores without rounding.
fn numbers(len: u64) -> Vec<f32> {
    (0..len).map(|index| (index * 37 % 129) as f32 / 64.0 - 1.0).collect()
}

/// Checks that two products differ by rounding alone. Nothing is near a NaN.
fn agree(found: &[f32], expected: &[f32]) -> Result<(), String> {
    let is_near =
        |(found, expected): (&f32, &f32)| (found - expected).abs() <= TOLERANCE * (1.0 + expected.abs());
    match found.iter().zip(expected).position(|pair| !is_near(pair)) {
        Some(at) => Err(format!("number {at} is {} instead of {}", found[at], expected[at])),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Naming, engine::Backend};
    use std::sync::Arc;

    /// The adapter, unless the tests are told to do without.
    fn gpu() -> Option<Arc<Gpu>> {
        if std::env::var("WGPU_RNN_GPU").is_ok_and(|choice| choice == "skip") {
            println!("WGPU_RNN_GPU=skip: nothing is tested");
            return None;
        }
        let engine = Engine::gpu().expect("an adapter; or set WGPU_RNN_GPU=skip");
        let Backend::Gpu(gpu) = engine.backend() else { unreachable!("an engine of a GPU") };
        Some(gpu.clone())
    }

    fn tile(name: &str) -> Tile {
        name.parse().unwrap()
    }

    #[test]
    fn right_kernels_are_found_right() {
        let Some(gpu) = gpu() else { return };
        for name in ["4", "32w", "64w"] {
            pollster::block_on(check(&gpu, tile(name))).unwrap();
        }
    }

    /// A device that has none: the test says why, and the device goes on.
    #[test]
    fn a_kernel_that_cannot_be_made_is_found_wrong() {
        let Some(gpu) = gpu().filter(|gpu| !gpu.device.features().contains(FEATURES)) else { return };
        assert!(!gpu.limits.cooperative);
        let reason = pollster::block_on(check(&gpu, tile("64c"))).unwrap_err();
        assert!(reason.contains("cooperative"), "{reason}");
        pollster::block_on(check(&gpu, tile("64w"))).unwrap();
    }

    /// A kernel that multiplies with other weights: one row of them twice, or one k forgotten.
    #[test]
    fn wrong_kernels_are_found_wrong() {
        let Some(gpu) = gpu() else { return };
        let config = Config::gru(33).input_size(70);
        let right = Weights::init(&config, &Init::pytorch()).unwrap();
        let changed = |change: fn(&mut ndarray::ArrayViewMut2<'_, f32>)| {
            let tensors = right.tensors(Naming::PyTorch).map(|(name, tensor)| {
                let mut tensor = tensor.to_owned();
                if name == "weight_ih_l0" {
                    change(&mut tensor.view_mut().into_dimensionality().unwrap());
                }
                (name, tensor)
            });
            Weights::reader().from_tensors(tensors).unwrap()
        };
        let product = |weights: &Weights, name: &str| {
            pollster::block_on(product(&gpu, weights, (3, 23), tile(name))).unwrap()
        };
        let expected = product(&right, "1");
        agree(&product(&right, "32w"), &expected).unwrap();
        let (row_twice, without_k) = (
            changed(|weight| {
                let row = weight.row(97).to_owned();
                weight.row_mut(98).assign(&row);
            }),
            changed(|weight| weight.column_mut(69).fill(0.0)),
        );
        for wrong in [row_twice, without_k] {
            agree(&product(&wrong, "32w"), &expected).unwrap_err();
        }
    }

    #[test]
    fn nothing_is_near_a_nan_and_rounding_is_forgiven() {
        agree(&[1.0, -300.0], &[1.001, -300.25]).unwrap();
        agree(&[1.0, -300.0], &[1.0, -302.0]).unwrap_err();
        agree(&[f32::NAN], &[0.0]).unwrap_err();
        agree(&[0.0], &[f32::NAN]).unwrap_err();
        agree(&[f32::INFINITY], &[65504.0]).unwrap_err();
    }
}
