// The update of an LSTM as a dispatch of its own, after its products: all gates go through memory once more,
// and a step takes two dispatches or five. The file follows prelude.wgsl.

struct Dims {
    batch: u32,
    // H.
    units: u32,
    // Strides of a row and of a gate in the products.
    row: u32,
    gate: u32,
    // 0 forward, 1 reverse.
    direction: u32,
}

struct StepIndex {
    t: u32,
}

var<immediate> step_index: StepIndex;

@group(0) @binding(0) var<uniform> dims: Dims;
// [T, N, D, H] of 4 gates
@group(0) @binding(1) var<storage, read> input_gates: array<vec4<f32>>;
// [N, H], or all four [N, 4, H]
@group(0) @binding(2) var<storage, read> product_i: array<f32>;
@group(0) @binding(3) var<storage, read> product_f: array<f32>;
@group(0) @binding(4) var<storage, read> product_g: array<f32>;
@group(0) @binding(5) var<storage, read> product_o: array<f32>;
// [N, H]
@group(0) @binding(6) var<storage, read_write> hidden: array<f32>;
// [T, N, H]
@group(0) @binding(7) var<storage, read_write> output: array<f32>;
// [N, H]
@group(0) @binding(8) var<storage, read_write> cell_state: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let unit = id.x;
    let row = id.y;
    if unit >= dims.units {
        return;
    }
    let at = row * dims.row + unit;
    let product = vec4(
        product_i[at],
        product_f[at + dims.gate],
        product_g[at + 2u * dims.gate],
        product_o[at + 3u * dims.gate],
    );
    let sequence_row = step_index.t * dims.batch + row;
    let a = product + input_gates[(sequence_row * 2u + dims.direction) * dims.units + unit];
    let own = row * dims.units + unit;
    let c = sigmoid(a.y) * cell_state[own] + sigmoid(a.x) * safe_tanh(a.z);
    let h = sigmoid(a.w) * safe_tanh(c);
    cell_state[own] = c;
    hidden[own] = h;
    output[sequence_row * dims.units + unit] = h;
}
