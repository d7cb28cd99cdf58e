//! The time steps of a bidirectional LSTM, from one product per gate to one dispatch for both directions.

use crate::gpu::{Buffers, Failure, Gpu, Launch, Source, arrays};
use crate::ladder::{Ladder, Version, in_blocks};
use ndarray::{Array2, Array3, Array4, Axis, concatenate, s};
use wgpu_rnn::inspect::{
    Binding, BufferId, Content, Dims, Dispatch, GemmDims, Kernel, Pass, StepIndex, WeightPart,
};
use wgpu_rnn::{Config, Dtype, Plan, Schedule, Workload, mxnet};

/// T, N, and I and H; T is even, since then the last hidden state is where the first one was.
pub const SHAPES: [(usize, usize, usize); 2] = [(32, 16, 128), (16, 16, 256)];

/// The computed numbers of both directions; columns are by unit and gate.
struct Data {
    /// `[T, N, 2·H·4]`
    input: Array3<f32>,
    /// `[2, H, 4·H]`
    weight: Array3<f32>,
    /// `[2, 4·H]`
    bias: Array2<f32>,
}

pub fn ladder(gpu: &Gpu, (steps, batch, size): (usize, usize, usize)) -> Result<Ladder, Failure> {
    let random = mxnet::Random::new(2);
    let scale = 1.0 / (size as f32).sqrt();
    let data = Data {
        input: random.uniform(-1.0, 1.0, (steps, batch, 8 * size)),
        weight: random.uniform(-scale, scale, (2, size, 4 * size)),
        bias: random.uniform(-scale, scale, (1, 2, 4 * size)).remove_axis(Axis(0)),
    };
    let fused = plan_of(gpu, &data, Schedule::Stepwise)?;
    let versions = vec![
        apart(gpu, &data, &fused, "four products, then the update", 1)?,
        apart(gpu, &data, &fused, "one product, then the update", 4)?,
        ships(gpu, &data, &fused)?,
        ships(gpu, &data, &plan_of(gpu, &data, Schedule::Paired)?)?,
    ];
    let flops = recurrent(&fused).map(|pass| pass.repeats() * pass.dispatches[0].flops).sum();
    let title = format!("step, BiLSTM {size}, N {batch} ({steps} steps)");
    Ok(Ladder { title, versions, truth: truth(&data), tolerance: 1e-5, flops, steps })
}

fn plan_of(gpu: &Gpu, data: &Data, schedule: Schedule) -> Result<Plan, Failure> {
    let (steps, batch, _) = data.input.dim();
    let size = data.weight.dim().1;
    let config = Config::lstm(size).bidirectional().input_size(size);
    let workload = Workload { tuning: schedule.into(), ..Workload::new(steps, batch) };
    Ok(Plan::of(&config, &workload, &gpu.limits)?)
}

/// The passes over time.
fn recurrent(plan: &Plan) -> impl Iterator<Item = &Pass> {
    plan.passes().filter(|pass| pass.times.is_some())
}

fn recurrent_bytes(plan: &Plan) -> u64 {
    recurrent(plan).map(|pass| pass.repeats() * pass.dispatches[0].bytes).sum()
}

/// The library's own, as its plan has it.
fn ships(gpu: &Gpu, data: &Data, plan: &Plan) -> Result<Version, Failure> {
    let mut buffers: Buffers<BufferId> = Buffers::new();
    let (mut launches, mut results) = (Vec::new(), Vec::new());
    let mut name = String::new();
    for pass in recurrent(plan) {
        let ([dispatch], Some(times)) = (&*pass.dispatches, pass.times) else {
            return Err("a step of several dispatches".into());
        };
        let Dispatch { kernel, tile, overrides, bindings, .. } = dispatch;
        let odd = dispatch.odd.as_ref().ok_or("a state that does not alternate")?;
        let of = |array: &str| dispatch.buffer(array).ok_or_else(|| format!("no array {array}"));
        let (input, a) = (of("input_gates")?, of("a")?);
        name = format!("ships: {}, rows {tile}", plan.schedule.name());
        let made = gpu.kernel(&Source {
            wgsl: &kernel.wgsl(*tile, StepIndex::Immediate, Dtype::F32),
            arrays: arrays(*kernel),
            immediates: 12,
            overrides,
        });
        for &Binding { buffer: id, .. } in bindings {
            buffers.entry(id).or_insert_with(|| gpu.buffer(&content(data, plan, id, input)));
        }
        let part = |binding: &Binding| match binding.range {
            None => buffers[&binding.buffer].as_entire_buffer_binding(),
            Some((offset, size)) => wgpu::BufferBinding {
                buffer: &buffers[&binding.buffer],
                offset,
                size: std::num::NonZeroU64::new(size),
            },
        };
        let groups = [bindings, odd].map(|bindings| {
            let parts: Vec<_> = bindings.iter().map(part).collect();
            gpu.bind_parts(&made, dispatch.dims.bytes(), &parts)
        });
        for step in times.iter(plan.steps) {
            launches.push(Launch {
                kernel: made.clone(),
                group: groups[(step.taken % 2) as usize].clone(),
                immediates: vec![step.t, step.t_of_reverse, step.count],
                workgroups: plan.workgroups(dispatch, plan.steps),
            });
        }
        results.push(buffers[&a].clone());
    }
    Ok(Version { name, launches, results, bytes: recurrent_bytes(plan), ships: true })
}

/// The numbers of a buffer of the plan: input's gates, weights, biases, or zeros.
fn content(data: &Data, plan: &Plan, id: BufferId, input: BufferId) -> Vec<f32> {
    let buffer = &plan.buffers[id.0];
    let len = buffer.len as usize;
    let Content::Weight(weight) = buffer.content else {
        return if id == input { data.input.iter().copied().collect() } else { vec![0.0; len] };
    };
    let of = |direction: usize| {
        let mut numbers = match weight.part {
            WeightPart::Parameters(_) => data.bias.row(direction).to_vec(),
            _ => in_blocks(&data.weight.index_axis(Axis(0), direction)),
        };
        // Each direction's array is padded.
        numbers.resize(len / weight.count, 0.0);
        numbers
    };
    (weight.first..weight.first + weight.count).flat_map(of).collect()
}

/// The products by the library's own product kernel, of one gate or of all four at once, and the update by
/// itself: so that it is only the dispatches that differ.
fn apart(gpu: &Gpu, data: &Data, plan: &Plan, name: &str, gates_each: usize) -> Result<Version, Failure> {
    let (steps, batch, _) = data.input.dim();
    let size = data.weight.dim().1;
    let columns = gates_each * size;
    let tile = recurrent(plan).next().ok_or("no steps")?.dispatches[0].tile;
    let product = gpu.kernel(&Source {
        wgsl: &Kernel::Gemm.wgsl(tile, StepIndex::Immediate, Dtype::F32),
        arrays: arrays(Kernel::Gemm),
        immediates: 0,
        overrides: &[],
    });
    let text = [include_str!("../../shaders/prelude.wgsl"), include_str!("step_update.wgsl")].join("\n");
    let update = gpu.kernel(&Source { wgsl: &text, arrays: (5, 3), immediates: 4, overrides: &[] });
    let dims = Dims::Gemm(GemmDims {
        rows: batch as u32,
        columns: columns as u32 / 4,
        depth: size as u32 / 4,
        whole_depth: size as u32 / 4,
        source_offset: 0,
        source_stride: size as u32 / 4,
        weight_offset: 0,
        adds: 0,
        direction_columns: columns as u32 / 4,
        direction_weight: 0,
        direction_bias: 0,
        into_offset: 0,
        into_stride: columns as u32 / 4,
    });
    // A column of a GEMM is a vector of four.
    let wide = 4 * tile.columns(Kernel::Gemm.gates()) as usize;
    let groups = [columns.div_ceil(wide) as u32, batch.div_ceil(tile.rows as usize) as u32, 1];
    let input = gpu.buffer(&data.input.iter().copied().collect::<Vec<_>>());
    let (mut launches, mut results) = (Vec::new(), Vec::new());
    for direction in 0..2 {
        let [hidden, cell_state] = [(); 2].map(|()| gpu.zeros(batch * size));
        let output = gpu.zeros(steps * batch * size);
        let weight = by_gate(&data.weight.index_axis(Axis(0), direction).to_owned());
        let bias = by_gate(&data.bias.slice(s![direction..direction + 1, ..]).to_owned());
        let (mut products, mut bound) = (Vec::new(), Vec::new());
        for first in (0..4).step_by(gates_each) {
            let of_gates = s![.., first * size..first * size + columns];
            let weight = gpu.buffer(&in_blocks(&weight.slice(of_gates)));
            let bias = gpu.buffer(&bias.slice(of_gates).iter().copied().collect::<Vec<_>>());
            let into = gpu.zeros(batch * columns);
            let group = gpu.bind(&product, dims.bytes(), &[&hidden, &weight, &bias, &into]);
            let kernel = product.clone();
            products.push(Launch { kernel, group, immediates: Vec::new(), workgroups: groups });
            bound.extend(std::iter::repeat_n(into, gates_each));
        }
        let between = if gates_each == 4 { size } else { 0 };
        let sizes = [batch, size, columns, between, direction].map(|size| size as u32);
        let buffers = [&input, &bound[0], &bound[1], &bound[2], &bound[3], &hidden, &output, &cell_state];
        let group = gpu.bind(&update, bytemuck::cast_slice(&sizes), &buffers);
        for step in 0..steps {
            let t = if direction == 1 { steps - 1 - step } else { step };
            launches.extend(products.iter().cloned());
            launches.push(Launch {
                kernel: update.clone(),
                group: group.clone(),
                immediates: vec![t as u32],
                workgroups: [size.div_ceil(64) as u32, batch as u32, 1],
            });
        }
        results.push(hidden);
    }
    // Every sum is written and read once more.
    let bytes = recurrent_bytes(plan) + (2 * 2 * 4 * steps * batch * 4 * size) as u64;
    Ok(Version { name: name.into(), launches, results, bytes, ships: false })
}

/// Columns by unit and gate as columns by gate and unit.
fn by_gate(matrix: &Array2<f32>) -> Array2<f32> {
    let gates: Vec<_> = (0..4).map(|gate| matrix.slice(s![.., gate..;4])).collect();
    concatenate(Axis(1), &gates).expect("as many rows in each")
}

/// The last hidden states of both directions, in f64 by plain loops.
fn truth(data: &Data) -> Vec<f64> {
    let (steps, batch, _) = data.input.dim();
    let size = data.weight.dim().1;
    let input = data.input.mapv(f64::from);
    let input: Array4<f64> =
        input.into_shape_with_order((steps, batch, 2, 4 * size)).expect("as many numbers");
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut all = Vec::new();
    for direction in 0..2 {
        let weight = data.weight.index_axis(Axis(0), direction).mapv(f64::from);
        let bias = data.bias.index_axis(Axis(0), direction).mapv(f64::from);
        let [mut h, mut c] = [(); 2].map(|()| Array2::<f64>::zeros((batch, size)));
        for step in 0..steps {
            let t = if direction == 1 { steps - 1 - step } else { step };
            let a = h.dot(&weight) + &bias + input.slice(s![t, .., direction, ..]);
            for ((row, unit), c) in c.indexed_iter_mut() {
                let gate = |gate| a[[row, 4 * unit + gate]];
                *c = sigmoid(gate(1)) * *c + sigmoid(gate(0)) * gate(2).tanh();
                h[[row, unit]] = sigmoid(gate(3)) * c.tanh();
            }
        }
        all.extend(h);
    }
    all
}
