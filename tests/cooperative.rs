//! The kernel of cooperative matrices on adapters that have none: its text, with each matrix operation in
//! plain WGSL, for subgroups of several sizes. That holds what it reads, stages, adds up and stores, but
//! nothing of a driver's matrices.

#[path = "common/engines.rs"]
mod engines;

use engines::{Offer, Outcome, Trials};
use half::f16;
use wgpu_rnn::inspect::{BLOCK, Kernel, StepIndex, Tile};
use wgpu_rnn::inspect::{Dims, GemmDims};
use wgpu_rnn::{Dtype, Engine};

fn main() {
    let mut trials = Trials::new();
    trials.add(Offer::All, "its_kernel_multiplies_in_plain_wgsl", Box::new(in_plain_wgsl));
    trials.run();
}

/// A matrix of 16 x 16, of which each lane has a share.
const PLAIN: &str = "
alias Sum = array<f32, 256 / LANES>;

fn loaded(at: u32) -> u32 {
    return at;
}

fn multiply_add(a: u32, b: u32, sum: Sum) -> Sum {
    var result = sum;
    for (var i = 0u; i < 256 / LANES; i += 1u) {
        let at = i * LANES + lane % LANES;
        for (var k = 0u; k < 16u; k += 1u) {
            let x = f32(a_piece[a + at / 16u * STRIDE + k]);
            result[i] += x * f32(b_piece[b + at % 16u * STRIDE + k]);
        }
    }
    return result;
}

fn store(sum: Sum, into: u32) {
    var numbers = sum;
    for (var i = 0u; i < 256 / LANES; i += 1u) {
        let at = i * LANES + lane % LANES;
        sums[into + at / 16u * WIDTH + at % 16u] = numbers[i];
    }
}
";

fn plain(lanes: u32) -> Result<String, String> {
    let tile: Tile = "64c".parse().map_err(|error| format!("{error}"))?;
    let mut text = Kernel::Gemm.wgsl(tile, StepIndex::Immediate, Dtype::F16);
    let matrices = format!("const LANES: u32 = {lanes};{PLAIN}");
    for (from, to) in [
        ("enable wgpu_cooperative_matrix;", ""),
        ("alias MatrixA = coop_mat16x16<f16, A>;", ""),
        ("alias MatrixB = coop_mat16x16<f16, B>;", ""),
        ("alias Sum = coop_mat16x16<f32, C>;", &matrices),
        ("coopLoadT<MatrixA>(&a_piece[", "loaded("),
        ("coopLoad<MatrixB>(&b_piece[", "loaded("),
        ("], STRIDE)", ")"),
        ("coopMultiplyAdd(", "multiply_add("),
        ("coopStoreT(", "store("),
        ("&sums[", ""),
        ("], WIDTH)", ")"),
        ("@builtin(subgroup_id) own: u32,", ""),
        ("@builtin(num_subgroups) count: u32,", ""),
        ("subgroup = own;", "subgroup = local / LANES;"),
        ("subgroups = count;", "subgroups = 64 / LANES;"),
    ] {
        if !text.contains(from) {
            return Err(format!("the kernel has no `{from}` any more"));
        }
        text = text.replace(from, to);
    }
    match ["coop_", "coopLoad", "coopStore"].into_iter().find(|name| text.contains(name)) {
        None => Ok(text),
        Some(name) => Err(format!("the text without matrices has a {name}")),
    }
}

/// Rows, columns and K that end in the middle of a workgroup, with pieces of K, for subgroups of 64 lanes
/// down to 16; to the last bit, since every number is a quarter.
fn in_plain_wgsl(engine: &Engine) -> Outcome {
    if !engine.limits().is_some_and(|limits| limits.f16) {
        println!("not tested, for want of SHADER_F16");
        return Ok(());
    }
    for lanes in [64, 32, 16] {
        let pipeline = pipeline(engine, &plain(lanes)?)?;
        for (rows, columns, depth, adds) in
            [(1, 1, 1, 0), (64, 16, 4, 0), (65, 17, 5, 1), (133, 35, 18, 0), (31, 9, 11, 1)]
        {
            let dims = GemmDims {
                rows,
                columns,
                depth,
                whole_depth: depth + 3,
                source_offset: 2,
                source_stride: depth + 1,
                weight_offset: 2,
                adds,
                direction_columns: columns,
                direction_weight: 0,
                direction_bias: 0,
                into_offset: 0,
                into_stride: columns,
            };
            check(engine, &pipeline, &dims).map_err(|reason| format!("{lanes} lanes, {dims:?}: {reason}"))?;
        }
    }
    Ok(())
}

/// From -1 to 1, in quarters.
fn quarters(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|index| ((index * 7 + index / 11 + seed) % 9) as f32 / 4.0 - 1.0).collect()
}

fn halves(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|&number| f16::from_f32(number).to_ne_bytes()).collect()
}

fn check(engine: &Engine, pipeline: &wgpu::ComputePipeline, dims: &GemmDims) -> Result<(), String> {
    let [rows, columns, depth, whole_depth] =
        [dims.rows, dims.columns, dims.depth, dims.whole_depth].map(|size| size as usize);
    let (stride, offset) = (dims.source_stride as usize, dims.source_offset as usize);
    let source = quarters(4 * (offset + rows * stride), 1);
    let weight = quarters(columns.next_multiple_of(BLOCK) * whole_depth * 16, 2);
    let bias = quarters(4 * columns, 3);
    // With a row behind it, which has to stay as it is.
    let before = quarters(4 * columns * (rows + 1), 4);
    let found = run(
        engine,
        pipeline,
        [
            Dims::Gemm(*dims).bytes().to_vec(),
            halves(&source),
            halves(&weight),
            bias.iter().flat_map(|number| number.to_ne_bytes()).collect(),
            halves(&before),
        ],
        [dims.columns.div_ceil(16), dims.rows.div_ceil(64), 1],
    )?;
    let expected = |row: usize, column: usize| {
        let at = row * 4 * columns + column;
        if row == rows {
            return before[at];
        }
        let (vector, in_vector) = (column / 4, column % 4);
        let product = (0..4 * depth).map(|k| {
            let block = vector / BLOCK * whole_depth + dims.weight_offset as usize + k / 4;
            let w = weight[(block * BLOCK + vector % BLOCK) * 16 + 4 * in_vector + k % 4];
            w * source[4 * (offset + row * stride) + k]
        });
        product.sum::<f32>() + if dims.adds == 1 { before[at] } else { bias[column] }
    };
    for (at, two) in found.chunks_exact(2).enumerate() {
        let (row, column) = (at / (4 * columns), at % (4 * columns));
        let (found, expected) = (f16::from_ne_bytes([two[0], two[1]]), f16::from_f32(expected(row, column)));
        if found != expected {
            return Err(format!("row {row}, column {column} is {found} instead of {expected}"));
        }
    }
    Ok(())
}

fn pipeline(engine: &Engine, text: &str) -> Result<wgpu::ComputePipeline, String> {
    let device = engine.device().ok_or("no device")?;
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    pollster::block_on(scope.pop()).map_or(Ok(pipeline), |error| Err(error.to_string()))
}

/// One dispatch of a kernel on its sizes and buffers, the last of which is the answer.
fn run(
    engine: &Engine,
    pipeline: &wgpu::ComputePipeline,
    contents: [Vec<u8>; 5],
    [x, y, z]: [u32; 3],
) -> Result<Vec<u8>, String> {
    use wgpu::BufferUsages as Usage;
    let (device, queue) = (engine.device().ok_or("no device")?, engine.queue().ok_or("no queue")?);
    let buffer = |size: usize, usage| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: size as u64,
            usage,
            mapped_at_creation: false,
        })
    };
    let buffers = contents.map(|bytes| {
        let made = buffer(bytes.len(), Usage::UNIFORM | Usage::STORAGE | Usage::COPY_DST | Usage::COPY_SRC);
        queue.write_buffer(&made, 0, &bytes);
        made
    });
    let entries: Vec<_> = (0..)
        .zip(&buffers)
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    let layout = pipeline.get_bind_group_layout(0);
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &layout,
        entries: &entries,
    });
    let staging = buffer(buffers[4].size() as usize, Usage::MAP_READ | Usage::COPY_DST);
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups(x, y, z);
    drop(pass);
    encoder.copy_buffer_to_buffer(&buffers[4], 0, &staging, 0, staging.size());
    queue.submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |_| {});
    device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| error.to_string())?;
    let view = staging.get_mapped_range(..).map_err(|error| error.to_string())?;
    Ok(view.to_vec())
}
