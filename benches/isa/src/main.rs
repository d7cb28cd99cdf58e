//! Compiles each kernel of some plans with a Vulkan driver, and prints what the driver says of each kernel.
//!
//! `report.py` runs this program on RADV without a card, and reads the driver's words.
//! Names of the library in use: `Plan::of`, `Plan::passes`, `Plan::workgroups`, the fields of `Dispatch`, and
//! `Kernel::wgsl`.

mod vulkan;

use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::HashMap;
use vulkan::Vulkan;
use wgpu_rnn::inspect::{Dispatch, StepIndex};
use wgpu_rnn::{Config, Dtype, Limits, Machine, Plan, Save, Schedule, Tile, Tuning, Workload};

/// Name, network, T, N, and the type that numbers are stored as.
fn networks() -> [(&'static str, Config, usize, usize, Dtype); 14] {
    let lstm = |size| Config::lstm(size).input_size(size);
    let gru = Config::gru(128).input_size(128);
    let rnn = Config::rnn_tanh(64).input_size(64);
    [
        ("LSTM 256 N1 T25", lstm(256), 25, 1, Dtype::F32),
        ("BiLSTM 128 N16 T100", lstm(128).bidirectional(), 100, 16, Dtype::F32),
        ("BiLSTM 256 N16 T50", lstm(256).bidirectional(), 50, 16, Dtype::F32),
        ("BiGRU 128 N16 T100", gru.bidirectional(), 100, 16, Dtype::F32),
        ("LSTM 512 N32 T50", lstm(512), 50, 32, Dtype::F32),
        ("LSTM 1024 N64 T25", lstm(1024), 25, 64, Dtype::F32),
        ("LSTM 2048 N128 T25", lstm(2048), 25, 128, Dtype::F32),
        ("LSTM 1024 N32 T25", lstm(1024), 25, 32, Dtype::F32),
        ("LSTM 2048 N1 T25", lstm(2048), 25, 1, Dtype::F32),
        ("LSTM 2048 N32 T25", lstm(2048), 25, 32, Dtype::F32),
        ("BiRNN 64 N8 T50", rnn.bidirectional(), 50, 8, Dtype::F32),
        ("LSTM 32 N1 T200", lstm(32), 200, 1, Dtype::F32),
        ("GRU 48 N4 T200", Config::gru(48).input_size(48), 200, 4, Dtype::F32),
        ("f16 LSTM 512 N32 T50", lstm(512), 50, 32, Dtype::F16),
    ]
}

/// The limits of a discrete card.
fn limits() -> Limits {
    Limits {
        max_buffer_bytes: 2 << 30,
        max_binding_bytes: 1 << 30,
        workgroup_bytes: 32 << 10,
        workgroup_size: 1024,
        subgroup_size: 32,
        f16: true,
        machine: Machine::DISCRETE,
        ..Limits::default()
    }
}

/// A tile by name, for the steps.
fn by_name(tile: Tile) -> Tuning {
    Tuning { schedule: Some(Schedule::Stepwise), step: Some(tile), gemm: None }
}

fn main() {
    let vulkan = Vulkan::new();
    let limits = limits();
    // Kernels that were compiled, by number.
    let mut seen = HashMap::new();
    let only = std::env::args().nth(1).unwrap_or_default();
    // The plan's own choice, or every tile by name.
    let tunings = match std::env::var_os("TILES") {
        None => vec![Tuning::default()],
        Some(_) => Tile::ALL.into_iter().map(by_name).collect(),
    };
    let chosen = networks().into_iter().filter(|one| one.0.contains(&only));
    let tuned = chosen.flat_map(|one| tunings.iter().map(move |&tuning| (one.clone(), tuning)));
    for ((name, config, steps, batch, dtype), tuning) in tuned {
        let workload = Workload { dtype, tuning, ..Workload::new(steps, batch) };
        let planned = |workload| Plan::of(&config, &workload, &limits);
        let (plan, saved) =
            match (planned(workload), planned(Workload { saves: Some(Save::Gates), ..workload })) {
                (Ok(plan), Ok(saved)) => (plan, saved),
                // Not every network can have every tile.
                (Err(_), _) | (_, Err(_)) if tuning != Tuning::default() => continue,
                (Err(error), _) | (_, Err(error)) => panic!("{name}: {error}"),
            };
        let back = saved.backward.iter().flat_map(|way| way.passes()).map(|pass| (&saved, pass));
        let all = plan.passes().map(|pass| (&plan, pass)).chain(back);
        for (plan, pass, dispatch) in
            all.flat_map(|(plan, pass)| pass.dispatches.iter().map(move |dispatch| (plan, pass, dispatch)))
        {
            let Dispatch { kernel, tile, dtype, overrides, .. } = dispatch;
            let groups = plan.workgroups(dispatch, steps as u64);
            let size = overrides.iter().find(|(name, _)| *name == "WORKGROUP");
            let size = size.map_or(f64::from(tile.invocations()), |&(_, size)| size);
            let invocations = groups.map(f64::from).iter().product::<f64>() * size;
            // Multiply-adds per invocation: of one time step, or of the whole product.
            let multiplies = dispatch.flops as f64 / 2.0 / invocations;
            let text = format!("{kernel:?} {tile} {dtype:?} {overrides:?}");
            let known = seen.len();
            let index = *seen.entry(text).or_insert(known);
            let estimate = 1e6 * plan.estimate(pass, dispatch).seconds;
            let kernel_name = kernel.name();
            eprintln!(
                "\n#### {name} | {kernel_name} {tile} | {groups:?} | {multiplies} | {estimate} | {index}"
            );
            if seen.len() == known {
                continue;
            }
            let text = kernel.wgsl(*tile, StepIndex::Immediate, *dtype);
            vulkan.compile(&spirv(&text, overrides), dispatch.bindings.len());
        }
    }
}

/// SPIR-V as `EngineBuilder::unchecked` makes it; with wgpu's checks, if `CHECKED` is set.
fn spirv(text: &str, overrides: &[(&'static str, f64)]) -> Vec<u32> {
    let module =
        naga::front::wgsl::parse_str(text).unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module);
    let info = info.expect("a valid shader");
    let has = |name: &str| module.overrides.iter().any(|(_, known)| known.name.as_deref() == Some(name));
    let constants = overrides.iter().filter(|(name, _)| has(name));
    let constants = constants.map(|&(name, value)| (name.to_owned(), value)).collect();
    let entry = Some((naga::ShaderStage::Compute, "main"));
    let (module, info) = naga::back::pipeline_constants::process_overrides(&module, &info, entry, &constants)
        .expect("overrides");
    let checked = std::env::var_os("CHECKED").is_some();
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let options = spv::Options {
        lang_version: (1, 5),
        flags: spv::WriterFlags::empty(),
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: policy,
        },
        force_loop_bounding: checked,
        ..Default::default()
    };
    let pipeline =
        spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: "main".into() };
    spv::write_vec(&module, &info, &options, Some(&pipeline)).expect("SPIR-V")
}
