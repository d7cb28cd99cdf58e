//! Every shader, through naga: parsed, validated, its overrides resolved, and translated for Vulkan, Metal
//! and DX12, with no GPU. Only Vulkan runs where these tests do; this is how the others are held.

#[path = "../common/mod.rs"]
mod common;
mod facts;
mod plans;

use naga::back::{hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use wgpu_rnn::Dtype;
use wgpu_rnn::inspect::{Kernel, StepIndex};

fn every_shader() -> impl Iterator<Item = (String, Kernel, StepIndex, String)> {
    Kernel::all().flat_map(|kernel| {
        kernel.tiles().flat_map(move |tile| {
            let ways = [StepIndex::Immediate, StepIndex::Uniform].into_iter();
            let ways = ways.flat_map(|step_index| [Dtype::F32, Dtype::F16].map(|dtype| (step_index, dtype)));
            ways.filter(move |&(_, dtype)| tile.reads(dtype)).map(move |(step_index, dtype)| {
                let name = format!("{}/{tile} {} {step_index:?}", kernel.name(), dtype.name());
                (name, kernel, step_index, kernel.wgsl(tile, step_index, dtype))
            })
        })
    })
}

fn parse(name: &str, wgsl: &str) -> naga::Module {
    naga::front::wgsl::parse_str(wgsl)
        .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(wgsl)))
}

fn validate(module: &naga::Module, capabilities: Capabilities) -> Result<naga::valid::ModuleInfo, String> {
    Validator::new(ValidationFlags::all(), capabilities)
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(module)
        .map_err(|error| format!("{error:?}"))
}

/// The number set in each override.
type Overrides = [(&'static str, f64)];

/// Translates a kernel for every back end; whether HLSL is one of them.
///
/// Cooperative matrices are not: naga has no HLSL for them. Their MSL is no proof of anything: Metal's are of
/// 8 x 8, so that no adapter of Metal's is ever given this kernel.
fn translate(name: &str, wgsl: &str, overrides: &Overrides) -> bool {
    let module = parse(name, wgsl);
    let mut capabilities = Capabilities::IMMEDIATES | Capabilities::SUBGROUP | Capabilities::SHADER_FLOAT16;
    let cooperates = wgsl.starts_with("enable wgpu_cooperative_matrix;");
    if cooperates {
        let error = validate(&module, capabilities).unwrap_err();
        assert!(error.contains("MissingCapability"), "{name}: {error}");
        capabilities |= Capabilities::COOPERATIVE_MATRIX;
    }
    let info = validate(&module, capabilities).unwrap_or_else(|error| panic!("{name}: {error}"));
    let constants = overrides.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    let (module, info) =
        process_overrides(&module, &info, None, &constants).unwrap_or_else(|error| panic!("{name}: {error}"));

    let spirv = spv::write_vec(&module, &info, &Default::default(), None)
        .unwrap_or_else(|error| panic!("{name} to SPIR-V: {error}"));
    assert!(!spirv.is_empty());
    let options = msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
    let (metal, _) = msl::write_string(&module, &info, &options, &Default::default())
        .unwrap_or_else(|error| panic!("{name} to MSL: {error}"));
    assert!(metal.contains("kernel void"));
    if cooperates {
        // Its writer does not look, and panics: a device refuses such a shader by what its back end supports.
        assert!(!hlsl::supported_capabilities().contains(Capabilities::COOPERATIVE_MATRIX));
        return false;
    }
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_2,
        immediates_target: Some(Default::default()),
        fake_missing_bindings: true,
        ..Default::default()
    };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &Default::default())
        .write(&module, &info, None)
        .unwrap_or_else(|error| panic!("{name} to HLSL: {error}"));
    // Tiles that split K or read into a workgroup's memory have larger workgroups of their own.
    let workgroup = overrides.iter().find(|(name, _)| *name == "WORKGROUP").map(|(_, value)| *value);
    let has = |size: f64| text.contains(&format!("numthreads({size}, 1, 1)"));
    assert!(workgroup.map_or(has(64.0) || has(128.0) || has(256.0), has), "{name}");
    true
}

#[test]
fn translates_for_every_back_end() {
    let (mut count, mut not_for_hlsl) = (0, Vec::new());
    for (name, _, _, wgsl) in every_shader() {
        count += 1;
        if !translate(&name, &wgsl, &[]) {
            not_for_hlsl.push(name);
        }
    }
    // By dtype and step index; of cooperative matrices there are those of f16 alone.
    let all = Kernel::all().map(|kernel| kernel.tiles().filter(|tile| tile.reads(Dtype::F32)).count());
    assert_eq!(count, all.sum::<usize>() * 2 * 2 + not_for_hlsl.len());
    assert!(count > 300, "{count} shaders");
    let expected = ["gemm", "gemm in f32"]
        .map(|name| ["Immediate", "Uniform"].map(|step| format!("{name}/64c f16 {step}")))
        .concat();
    assert_eq!(not_for_hlsl, expected);
}
