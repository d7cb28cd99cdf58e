//! The estimates of plans beside published times.

use wgpu_rnn::{Config, Limits, Machine, Plan, Workload};

/// NVIDIA's V100: 15.7 TFLOP/s, 0.9 TB/s, a cache of 6 MiB with 2.2 TB/s, 108 bytes per clock and unit from a
/// unit's cache (arXiv:1804.06826), 0.2 us a round trip; 2.2 us a dispatch, as under Vulkan on NVIDIA's cards
/// (kvark/meganeura 69ae7fd). The constants were fixed before the comparison.
const V100: Machine = Machine {
    units: 80,
    lanes: 64,
    resident: 2048,
    multiply_adds: 7_850_000,
    activations: 400_000,
    loads: 12_000_000,
    cache: 2_200_000,
    memory: 900_000,
    cache_bytes: 6 << 20,
    round_trip: 200,
    dispatch: 2_200,
    barrier: 50,
    is_software: false,
};

/// Cell, T, H, and N with the milliseconds of cuDNN 7.6.2 on a V100 in f32, forward without the input's product:
/// DeepBench's training table (baidu-research/DeepBench).
type Row = (&'static str, usize, usize, &'static [(usize, f64)]);

const CUDNN: [Row; 26] = [
    ("rnn", 50, 1760, &[(16, 4.201), (32, 4.357), (64, 4.675), (128, 6.113)]),
    ("rnn", 50, 2048, &[(16, 4.243), (32, 4.582), (64, 4.737), (128, 7.513)]),
    ("rnn", 50, 2560, &[(16, 4.5), (32, 4.697), (64, 6.161), (128, 7.773)]),
    ("lstm", 25, 512, &[(16, 1.095), (32, 1.144), (64, 1.341), (128, 1.559)]),
    ("lstm", 25, 1024, &[(16, 1.923), (32, 1.978), (64, 2.205), (128, 3.249)]),
    ("lstm", 25, 2048, &[(16, 3.609), (32, 3.684), (64, 5.57), (128, 9.294)]),
    ("lstm", 25, 4096, &[(16, 10.009), (32, 10.512), (64, 16.598), (128, 31.169)]),
    ("lstm", 50, 1536, &[(8, 5.097), (16, 5.372), (32, 5.574)]),
    ("lstm", 150, 256, &[(16, 4.542), (32, 4.899), (64, 6.7)]),
    ("gru", 1500, 2816, &[(32, 223.3)]),
    ("gru", 750, 2816, &[(32, 113.2)]),
    ("gru", 375, 2816, &[(32, 64.9)]),
    ("gru", 187, 2816, &[(32, 32.6)]),
    ("gru", 1500, 2560, &[(32, 199.6)]),
    ("gru", 750, 2560, &[(32, 100.5)]),
    ("gru", 375, 2560, &[(32, 56.7)]),
    ("gru", 187, 2560, &[(32, 28.4)]),
    ("gru", 1500, 2048, &[(32, 144.4)]),
    ("gru", 750, 2048, &[(32, 73.3)]),
    ("gru", 375, 2048, &[(32, 37.9)]),
    ("gru", 187, 2048, &[(32, 22.1)]),
    ("gru", 1500, 1536, &[(32, 84.8)]),
    ("gru", 750, 1536, &[(32, 43.7)]),
    ("gru", 375, 1536, &[(32, 23.2)]),
    ("gru", 187, 1536, &[(32, 15.7)]),
    ("gru", 1500, 1024, &[(32, 59.1), (64, 80.2)]),
];

/// A row of one step.
const ONE_STEP: Row = ("gru", 1, 512, &[(32, 0.088)]);

/// The limits of such a card.
fn limits() -> Limits {
    Limits {
        max_buffer_bytes: 4 << 30,
        max_binding_bytes: 4 << 30,
        workgroup_bytes: 48 << 10,
        workgroup_size: 1024,
        subgroup_size: 32,
        machine: V100,
        ..Limits::default()
    }
}

/// The estimated seconds of all time steps, and the tile and schedule.
fn estimate(cell: &str, steps: usize, hidden_size: usize, batch: usize) -> (f64, String) {
    let config = match cell {
        "lstm" => Config::lstm(hidden_size),
        "gru" => Config::gru(hidden_size),
        _ => Config::rnn(hidden_size),
    };
    let workload = Workload::new(steps, batch);
    let plan = Plan::of(&config.input_size(hidden_size), &workload, &limits()).unwrap();
    let (mut seconds, mut words) = (0.0, String::new());
    for pass in plan.passes().filter(|pass| pass.times.is_some()) {
        for dispatch in pass.dispatches.iter() {
            let estimate = plan.estimate(pass, dispatch);
            seconds += pass.repeats() as f64 * estimate.seconds;
            words = format!("{} {}, {}", plan.schedule.name(), dispatch.tile, estimate.bound);
        }
    }
    (seconds, words)
}

/// The kernels could be at cuDNN's side: a necessary condition, and no measurement.
#[test]
fn estimates_stand_beside_cudnn() {
    let (mut logarithms, mut worst, mut count) = (0.0, f64::INFINITY, 0);
    println!("cell  H     T     N    cuDNN ms  estimate  cuDNN / estimate");
    for (cell, steps, hidden_size, rows) in CUDNN.into_iter().chain([ONE_STEP]) {
        for &(batch, milliseconds) in rows {
            let (seconds, words) = estimate(cell, steps, hidden_size, batch);
            let ratio = milliseconds / (1e3 * seconds);
            println!(
                "{cell:<5} {hidden_size:<5} {steps:<5} {batch:<4} {milliseconds:>8.3} {:>9.3} {ratio:>6.2}  {words}",
                1e3 * seconds
            );
            logarithms += ratio.ln();
            worst = f64::min(worst, ratio);
            count += 1;
        }
    }
    let mean = f64::exp(logarithms / f64::from(count));
    println!("{count} rows: geometric mean {mean:.2}, worst {worst:.2}");
    assert_eq!(count, 53);
    assert!(mean >= 1.0 && worst >= 0.6, "geometric mean {mean:.2}, worst {worst:.2}");
}
