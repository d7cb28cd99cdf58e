//! The kernels as plans use them: with the overrides of every cell, option, schedule, tile and type.

use crate::common::options::{self, OPTIONS, Row, Setup, with};
use crate::{parse, translate};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use wgpu_rnn::inspect::{Equation, Kernel, Read, StepIndex, Tile, training_plans};
use wgpu_rnn::{Activation, Cell, Dtype, Error, Limits, Machine, Plan, Save, Schedule, Tuning, Workload};

/// A pipeline: the kernel's name for reports, and what makes it another one.
#[derive(Clone, Debug, PartialEq)]
struct Used {
    kernel: Kernel,
    tile: Tile,
    dtype: Dtype,
    overrides: Vec<(&'static str, f64)>,
    /// Bytes of the buffers that are bound as a whole, by binding, in one of the plans or another.
    bytes: BTreeSet<(u32, u64)>,
}

impl Used {
    fn name(&self) -> String {
        format!("{:?}/{} {} {:?}", self.kernel, self.tile, self.dtype.name(), self.overrides)
    }
}

/// Kernels that no plan uses.
fn is_unplanned(kernel: Kernel) -> bool {
    // A caller's array becomes one of ours around a plan, in encoded calls. A plan's own are carried between
    // segments as they are.
    matches!(kernel, Kernel::Carry { from, to, blanks } if from != to || blanks)
}

/// Why an override that a kernel's files declare is not set; none if it should be.
fn unset(used: &Used, name: &str) -> Option<&'static str> {
    let is_sequence = used.kernel.is_sequence();
    let has_steps = used.kernel.has_step_index();
    match name {
        "WORKGROUP" if !is_sequence => Some("the default is the workgroup of all others"),
        "REVERSE" if has_steps && !is_sequence => Some("the step index tells the time step"),
        "BACK" if !matches!(used.kernel, Kernel::Back { .. }) => Some("the default is the way forward"),
        "PAIRED" if !has_steps => Some("it has no directions"),
        _ => {
            let (function, parameter) = name.split_once('_')?;
            let first = ["ALPHA", "BETA"].iter().position(|known| *known == parameter)?;
            let (_, index) = used.overrides.iter().find(|(set, _)| *set == function)?;
            let parameters = Activation::ALL[*index as usize].to_string().matches(':').count();
            (parameters <= first).then_some("the activation has no such parameter")
        }
    }
}

/// Adapters: by software as lavapipe, within WebGPU's defaults, one with all, one with cooperative matrices
/// too.
fn adapters() -> [Limits; 4] {
    let all = Limits { subgroup_size: 32, f16: true, workgroup_bytes: 32 << 10, ..Limits::default() };
    [
        Limits { machine: Machine::SOFTWARE, subgroup_size: 8, f16: true, ..Limits::default() },
        Limits::default(),
        all,
        Limits { cooperative: true, ..all },
    ]
}

/// The pipelines of every cell with every option, by every schedule and tile; each once.
fn used() -> Vec<Used> {
    let mut used = BTreeMap::new();
    let mut add = |plan: wgpu_rnn::Result<Plan>| -> bool {
        let plan = match plan {
            Ok(plan) => plan,
            Err(Error::Unsupported { .. }) => return false,
            Err(error) => panic!("{error}"),
        };
        for dispatch in plan.passes().flat_map(|pass| pass.dispatches.iter()) {
            let (kernel, tile, dtype) = (dispatch.kernel, dispatch.tile, dispatch.dtype);
            let overrides = dispatch.overrides.clone();
            let one = Used { kernel, tile, dtype, overrides, bytes: BTreeSet::new() };
            let one = used.entry(one.name()).or_insert(one);
            let bindings = (1..).zip(&dispatch.bindings).filter(|(_, binding)| binding.range.is_none());
            one.bytes
                .extend(bindings.map(|(index, binding)| (index, plan.buffers[binding.buffer.0].bytes())));
        }
        true
    };
    let dtypes = |limits: &Limits| if limits.f16 { vec![Dtype::F32, Dtype::F16] } else { vec![Dtype::F32] };
    for cell in Cell::ALL {
        // Plain, with every tile; sizes that fill a GPU, and that do not.
        for limits in adapters() {
            for dtype in dtypes(&limits) {
                for both in [false, true] {
                    let mut setup = options::plain(cell);
                    setup.dtype = dtype;
                    if both {
                        setup.config = setup.config.bidirectional();
                    }
                    add(Plan::packing(&setup.config, dtype, &limits));
                    add(Plan::packing_for_gradients(&setup.config, dtype, &limits));
                    for schedule in Schedule::ALL {
                        for tile in Tile::ALL {
                            for tuning in [
                                Tuning { schedule: Some(schedule), step: Some(tile), gemm: None },
                                Tuning { schedule: Some(schedule), step: None, gemm: Some(tile) },
                            ] {
                                let workload = Workload { tuning, ..setup.workload() };
                                add(Plan::of(&setup.config, &workload, &limits));
                                for save in Save::ALL {
                                    let saved = Workload { saves: Some(save), ..workload };
                                    add(Plan::of(&setup.config, &saved, &limits));
                                }
                            }
                        }
                    }
                    let large = Workload { dtype, ..Workload::new(100, 64) };
                    add(Plan::of(&setup.config, &large, &limits));
                }
            }
        }
        // Every option alone, by every schedule, and every two.
        for (at, row) in OPTIONS.iter().enumerate() {
            let mut ran = false;
            for (index, schedule) in Schedule::ALL.into_iter().enumerate() {
                let setup = Setup { schedule: Some(schedule), ..with(cell, &[row]) };
                if setup.refusal().is_some() {
                    continue;
                }
                // The adapters take turns.
                let limits = adapters()[if setup.dtype == Dtype::F16 { 2 } else { (at + index) % 4 }];
                add(Plan::packing(&setup.config, setup.dtype, &limits));
                ran |= add(Plan::of(&setup.config, &setup.workload(), &limits));
                let drops = setup.config.num_layers > 1;
                let saved = |save| Workload { saves: Some(save), drops, ..setup.workload() };
                for save in Save::ALL {
                    add(Plan::of(&setup.config, &saved(save), &limits));
                    // Gradients are f32 beside numbers that are not.
                    let half = Workload { dtype: Dtype::F16, ..saved(save) };
                    add(Plan::of(&setup.config, &half, &adapters()[2]));
                }
                add(Plan::packing_for_gradients(&setup.config, setup.dtype, &limits));
                let small = Limits { max_binding_bytes: 32 << 10, max_buffer_bytes: 1 << 20, ..limits };
                if setup.splits {
                    add(Plan::of(&setup.config, &saved(Save::Gates), &small));
                }
            }
            assert!(ran || with(cell, &[row]).refusal().is_some(), "{} of {cell}: no plan", row.name);
            let other: &Row = &OPTIONS[(at * 7 + 5) % OPTIONS.len()];
            let setup = with(cell, &[row, other]);
            if setup.refusal().is_none() {
                add(Plan::of(&setup.config, &setup.workload(), &adapters()[2]));
            }
        }
    }
    // Phases on the way back that the turns of adapters above may leave out.
    let named = |name: &str| OPTIONS.iter().find(|row| row.name == name).expect("there is such a row");
    let [projection, norm, reset] = ["proj_size", "layer_norm", "gru_reset"].map(named);
    for limits in adapters() {
        for (cell, rows) in [
            (Cell::Lstm, vec![projection]),
            (Cell::Lstm, vec![norm]),
            (Cell::Lstm, vec![projection, norm]),
            (Cell::Gru, vec![reset]),
        ] {
            let setup = with(cell, &rows);
            for (save, dtype) in Save::ALL
                .into_iter()
                .flat_map(|save| dtypes(&limits).into_iter().map(move |dtype| (save, dtype)))
            {
                for step in [None].into_iter().chain(Tile::ALL.map(Some)) {
                    if step.is_none_or(|tile| tile.parts() > 1) {
                        let tuning = Tuning { schedule: Some(Schedule::Stepwise), step, gemm: None };
                        let tuning = if step.is_some() { tuning } else { Tuning::default() };
                        let workload = Workload { saves: Some(save), dtype, tuning, ..setup.workload() };
                        add(Plan::of(&setup.config, &workload, &limits));
                    }
                }
            }
        }
    }
    for limits in adapters() {
        for plan in training_plans(&limits).expect("every adapter can train") {
            add(Ok(plan));
        }
    }
    used.into_values().collect()
}

#[test]
fn what_plans_use_translates_for_every_back_end() {
    let used = used();
    assert!(used.len() >= 300, "{} pipelines", used.len());
    let one = |used: &Used| {
        for step_index in [StepIndex::Immediate, StepIndex::Uniform] {
            let wgsl = used.kernel.wgsl(used.tile, step_index, used.dtype);
            translate(&format!("{} {step_index:?}", used.name()), &wgsl, &used.overrides);
        }
    };
    used.par_iter().for_each(one);
}

#[test]
fn every_kernel_is_used_by_a_plan() {
    let used = used();
    let all: Vec<Kernel> = Kernel::all().collect();
    for kernel in &all {
        let is_used = used.iter().any(|used| used.kernel == *kernel);
        let name = kernel.name();
        assert!(is_used != is_unplanned(*kernel), "{name} ({kernel:?}): used by a plan: {is_used}");
    }
    for used in &used {
        assert!(all.contains(&used.kernel), "{} is not in Kernel::all()", used.name());
    }
    for tile in Tile::ALL {
        assert!(used.iter().any(|used| used.tile == tile), "no plan has a tile {tile}");
    }
}

/// A shader sees no part of an element: the last numbers of a buffer that ends within one are out of bounds.
#[test]
fn buffers_end_with_an_element() {
    let mut seen = 0;
    for used in used() {
        let (name, wgsl) = (used.name(), used.kernel.wgsl(used.tile, StepIndex::Immediate, used.dtype));
        let module = parse(&name, &wgsl);
        for (_, variable) in module.global_variables.iter() {
            let Some(naga::ResourceBinding { group: 0, binding }) = variable.binding else { continue };
            let naga::TypeInner::Array { stride, .. } = module.types[variable.ty].inner else { continue };
            // An array that is not read may be bound to any other.
            let is_read = used.kernel.arrays()[binding as usize - 1].name != "parameters";
            for (_, bytes) in used.bytes.iter().filter(|(index, _)| *index == binding && is_read) {
                assert!(
                    bytes.is_multiple_of(u64::from(stride)),
                    "{name}: {:?}, {bytes} bytes",
                    variable.name
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 1000, "{seen} bindings");
}

/// An override that a plan forgets keeps its default, in silence.
#[test]
fn plans_set_every_override() {
    let mut reasons = BTreeSet::new();
    for used in used() {
        let name = used.name();
        let wgsl = used.kernel.wgsl(used.tile, StepIndex::Immediate, used.dtype);
        for (_, declared) in parse(&name, &wgsl).overrides.iter() {
            let declared = declared.name.as_deref().unwrap_or_default();
            if !used.overrides.iter().any(|(set, _)| *set == declared) {
                let reason = unset(&used, declared);
                reasons
                    .insert(reason.unwrap_or_else(|| panic!("{name}: no plan sets the override {declared}")));
            }
        }
    }
    assert_eq!(reasons.len(), 5, "reasons that are used: {reasons:?}");
}

/// A formula that is a whole time step can take many of them in one dispatch: its kernel is there, and its
/// cell's plan has it.
#[test]
fn whole_equations_can_be_a_sequence() {
    let mut names = BTreeSet::new();
    for equation in Equation::ALL {
        let has_kernel = Kernel::all().any(|kernel| kernel == Kernel::Sequence(equation));
        let name = equation.name();
        assert_eq!(has_kernel, equation.is_whole(), "{name}: a kernel of many steps");
        if has_kernel {
            let sequence = Kernel::Sequence(equation).name();
            assert!(
                !sequence.is_empty() && names.insert(sequence),
                "{name}: the name {sequence:?} of its sequence"
            );
        }
    }
    for cell in Cell::ALL {
        let setup = options::plain(cell);
        let limits = Limits::default();
        let kernels = |schedule| -> wgpu_rnn::Result<Vec<Kernel>> {
            let workload = Workload { tuning: Tuning::from(schedule), ..setup.workload() };
            let plan = Plan::of(&setup.config, &workload, &limits)?;
            assert_eq!(plan.schedule, schedule);
            let kernels = plan.passes().flat_map(|pass| pass.dispatches.iter()).map(|one| one.kernel);
            Ok(kernels.filter(|kernel| kernel.equation().is_some()).collect())
        };
        let steps = kernels(Schedule::Stepwise).expect("every cell has it");
        let equations: Vec<_> = steps.iter().filter_map(|kernel| kernel.equation()).collect();
        let [equation] = equations.as_slice() else { continue };
        assert!(equation.is_whole(), "{cell}: one formula, {}, that is not a whole step", equation.name());
        let sequence = kernels(Schedule::Sequence).unwrap_or_else(|error| panic!("{cell}: {error}"));
        assert_eq!(sequence, [Kernel::Sequence(*equation)], "{cell}");
    }
}

/// A tile that only subgroups have is not planned without them, nor cooperative matrices without those.
#[test]
fn plans_have_what_the_adapter_has() {
    for cell in Cell::ALL {
        let setup = options::plain(cell);
        let plan = Plan::of(&setup.config, &setup.workload(), &Limits::default()).expect("a plan");
        for dispatch in plan.passes().flat_map(|pass| pass.dispatches.iter()) {
            assert!(!matches!(dispatch.tile.read, Read::Shared | Read::Cooperative), "{}", dispatch.tile);
        }
    }
}
