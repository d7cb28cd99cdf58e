//! The text of each kernel against the tables on the host: sizes, arrays, cells.

use crate::{every_shader, parse};
use naga::{AddressSpace, TypeInner};
use std::mem::offset_of;
use wgpu_rnn::inspect::{
    AgainDims, BackDims, CarryDims, CombineDims, CrossEntropyDims, CtcDims, DropDims, ElementwiseDims,
    GemmDims, Kernel, NormDims, NormOfAllDims, OuterDims, PackDims, PoolDims, Product, ReduceDims,
    SquaresDims, StepDims, StepIndex, TotalDims, UpdateDims,
};
use wgpu_rnn::{Cell, Config, Dtype, Limits, Plan, Reset, Tile};

/// The host writes each field of `Dims` at the offset where the shader reads it.
#[test]
fn dims_lie_where_the_shader_reads_them() {
    for (name, kernel, _, wgsl) in every_shader() {
        let expected: Vec<(&str, usize)> = match kernel {
            Kernel::Gemm | Kernel::GemmInF32 => vec![
                ("rows", offset_of!(GemmDims, rows)),
                ("columns", offset_of!(GemmDims, columns)),
                ("depth", offset_of!(GemmDims, depth)),
                ("whole_depth", offset_of!(GemmDims, whole_depth)),
                ("source_offset", offset_of!(GemmDims, source_offset)),
                ("source_stride", offset_of!(GemmDims, source_stride)),
                ("weight_offset", offset_of!(GemmDims, weight_offset)),
                ("adds", offset_of!(GemmDims, adds)),
                ("direction_columns", offset_of!(GemmDims, direction_columns)),
                ("direction_weight", offset_of!(GemmDims, direction_weight)),
                ("direction_bias", offset_of!(GemmDims, direction_bias)),
                ("into_offset", offset_of!(GemmDims, into_offset)),
                ("into_stride", offset_of!(GemmDims, into_stride)),
            ],
            Kernel::Step(_) | Kernel::Sequence(_) | Kernel::SavedStep(..) | Kernel::SavedSequence(..) => {
                vec![
                    ("batch", offset_of!(StepDims, batch)),
                    ("units", offset_of!(StepDims, units)),
                    ("depth", offset_of!(StepDims, depth)),
                    ("input_stride", offset_of!(StepDims, input_stride)),
                    ("input_offset", offset_of!(StepDims, input_offset)),
                    ("stride", offset_of!(StepDims, stride)),
                    ("cells", offset_of!(StepDims, cells)),
                    ("first_step", offset_of!(StepDims, first_step)),
                    ("direction_input", offset_of!(StepDims, direction_input)),
                    ("direction_weight", offset_of!(StepDims, direction_weight)),
                    ("direction_parameters", offset_of!(StepDims, direction_parameters)),
                    ("direction_output", offset_of!(StepDims, direction_output)),
                    ("direction_cells", offset_of!(StepDims, direction_cells)),
                ]
            }
            Kernel::Norm | Kernel::SavedNorm(_) => vec![
                ("batch", offset_of!(NormDims, batch)),
                ("units", offset_of!(NormDims, units)),
                ("input_stride", offset_of!(NormDims, input_stride)),
                ("input_offset", offset_of!(NormDims, input_offset)),
                ("sums_stride", offset_of!(NormDims, sums_stride)),
                ("stride", offset_of!(NormDims, stride)),
                ("cells", offset_of!(NormDims, cells)),
                ("first_step", offset_of!(NormDims, first_step)),
            ],
            Kernel::Combine | Kernel::CombineInF32 => vec![
                ("len", offset_of!(CombineDims, len)),
                ("a_offset", offset_of!(CombineDims, a_offset)),
                ("b_offset", offset_of!(CombineDims, b_offset)),
            ],
            Kernel::Again => vec![
                ("rows", offset_of!(AgainDims, rows)),
                ("units", offset_of!(AgainDims, units)),
                ("gates_stride", offset_of!(AgainDims, gates_stride)),
                ("gates_offset", offset_of!(AgainDims, gates_offset)),
                ("states_offset", offset_of!(AgainDims, states_offset)),
                ("stride", offset_of!(AgainDims, stride)),
                ("m_offset", offset_of!(AgainDims, m_offset)),
            ],
            Kernel::Drop => vec![
                ("len", offset_of!(DropDims, len)),
                ("depth", offset_of!(DropDims, depth)),
                ("stride", offset_of!(DropDims, stride)),
                ("offset", offset_of!(DropDims, offset)),
                ("batch", offset_of!(DropDims, batch)),
                ("first_row", offset_of!(DropDims, first_row)),
                ("layer", offset_of!(DropDims, layer)),
                ("first_column", offset_of!(DropDims, first_column)),
            ],
            Kernel::Back { .. } => vec![
                ("batch", offset_of!(BackDims, batch)),
                ("units", offset_of!(BackDims, units)),
                ("depth", offset_of!(BackDims, depth)),
                ("first_step", offset_of!(BackDims, first_step)),
                ("border", offset_of!(BackDims, border)),
                ("gates_stride", offset_of!(BackDims, gates_stride)),
                ("gates_offset", offset_of!(BackDims, gates_offset)),
                ("direction_gates", offset_of!(BackDims, direction_gates)),
                ("direction_weight", offset_of!(BackDims, direction_weight)),
                ("direction_parameters", offset_of!(BackDims, direction_parameters)),
                ("states_stride", offset_of!(BackDims, states_stride)),
                ("direction_states", offset_of!(BackDims, direction_states)),
                ("carry_stride", offset_of!(BackDims, carry_stride)),
                ("carry_cells", offset_of!(BackDims, carry_cells)),
                ("carry_sums", offset_of!(BackDims, carry_sums)),
                ("sum_len", offset_of!(BackDims, sum_len)),
                ("carry_parts", offset_of!(BackDims, carry_parts)),
                ("gradient_stride", offset_of!(BackDims, gradient_stride)),
                ("gradient_offset", offset_of!(BackDims, gradient_offset)),
                ("direction_gradient", offset_of!(BackDims, direction_gradient)),
                ("cells_start", offset_of!(BackDims, cells_start)),
                ("cells_stride", offset_of!(BackDims, cells_stride)),
                ("cells_offset", offset_of!(BackDims, cells_offset)),
                ("a_stride", offset_of!(BackDims, a_stride)),
                ("direction_a", offset_of!(BackDims, direction_a)),
                ("m_stride", offset_of!(BackDims, m_stride)),
                ("direction_m", offset_of!(BackDims, direction_m)),
            ],
            Kernel::Outer => vec![
                ("rows", offset_of!(OuterDims, rows)),
                ("chunk", offset_of!(OuterDims, chunk)),
                ("a_offset", offset_of!(OuterDims, a_offset)),
                ("a_stride", offset_of!(OuterDims, a_stride)),
                ("a_width", offset_of!(OuterDims, a_width)),
                ("b_offset", offset_of!(OuterDims, b_offset)),
                ("b_stride", offset_of!(OuterDims, b_stride)),
                ("b_width", offset_of!(OuterDims, b_width)),
                ("b_blocks", offset_of!(OuterDims, b_blocks)),
            ],
            Kernel::Reduce => vec![
                ("len", offset_of!(ReduceDims, len)),
                ("columns", offset_of!(ReduceDims, columns)),
                ("width", offset_of!(ReduceDims, width)),
                ("units", offset_of!(ReduceDims, units)),
                ("start", offset_of!(ReduceDims, start)),
                ("offset", offset_of!(ReduceDims, offset)),
                ("count", offset_of!(ReduceDims, count)),
                ("stride", offset_of!(ReduceDims, stride)),
                ("unit_stride", offset_of!(ReduceDims, unit_stride)),
                ("gate_stride", offset_of!(ReduceDims, gate_stride)),
                ("gates", offset_of!(ReduceDims, gates)),
                ("first_row", offset_of!(ReduceDims, first_row)),
                ("adds", offset_of!(ReduceDims, adds)),
            ],
            Kernel::Carry { .. } => vec![
                ("rows", offset_of!(CarryDims, rows)),
                ("batch", offset_of!(CarryDims, batch)),
                ("width", offset_of!(CarryDims, width)),
                ("used", offset_of!(CarryDims, used)),
                ("from_offset", offset_of!(CarryDims, from_offset)),
                ("from_step", offset_of!(CarryDims, from_step)),
                ("from_row", offset_of!(CarryDims, from_row)),
                ("to_offset", offset_of!(CarryDims, to_offset)),
                ("to_step", offset_of!(CarryDims, to_step)),
                ("to_row", offset_of!(CarryDims, to_row)),
                ("first_step", offset_of!(CarryDims, first_step)),
                ("first_place", offset_of!(CarryDims, first_place)),
            ],
            Kernel::Pack | Kernel::Transpose => vec![
                ("rows", offset_of!(PackDims, rows)),
                ("start", offset_of!(PackDims, start)),
                ("first_row", offset_of!(PackDims, first_row)),
                ("width", offset_of!(PackDims, width)),
                ("source", offset_of!(PackDims, source)),
                ("source_depth", offset_of!(PackDims, source_depth)),
                ("depth", offset_of!(PackDims, depth)),
                ("vector_bits", offset_of!(PackDims, vector_bits)),
                ("lane_bits", offset_of!(PackDims, lane_bits)),
                ("units", offset_of!(PackDims, units)),
                ("gates", offset_of!(PackDims, gates)),
                ("group", offset_of!(PackDims, group)),
                ("stride", offset_of!(PackDims, stride)),
                ("offset", offset_of!(PackDims, offset)),
            ],
            Kernel::CrossEntropy => vec![
                ("rows", offset_of!(CrossEntropyDims, rows)),
                ("classes", offset_of!(CrossEntropyDims, classes)),
                ("stride", offset_of!(CrossEntropyDims, stride)),
                ("mean_weight", offset_of!(CrossEntropyDims, mean_weight)),
                ("smoothing", offset_of!(CrossEntropyDims, smoothing)),
            ],
            Kernel::Elementwise => vec![
                ("rows", offset_of!(ElementwiseDims, rows)),
                ("columns", offset_of!(ElementwiseDims, columns)),
                ("stride", offset_of!(ElementwiseDims, stride)),
                ("delta", offset_of!(ElementwiseDims, delta)),
            ],
            Kernel::Ctc(_) => vec![
                ("steps", offset_of!(CtcDims, steps)),
                ("batch", offset_of!(CtcDims, batch)),
                ("classes", offset_of!(CtcDims, classes)),
                ("stride", offset_of!(CtcDims, stride)),
                ("labels", offset_of!(CtcDims, labels)),
                ("states", offset_of!(CtcDims, states)),
                ("blank", offset_of!(CtcDims, blank)),
                ("zero_infinity", offset_of!(CtcDims, zero_infinity)),
            ],
            Kernel::Pool | Kernel::PoolBack => vec![
                ("steps", offset_of!(PoolDims, steps)),
                ("batch", offset_of!(PoolDims, batch)),
                ("width", offset_of!(PoolDims, width)),
            ],
            Kernel::Total => {
                vec![("rows", offset_of!(TotalDims, rows)), ("adds", offset_of!(TotalDims, adds))]
            }
            Kernel::Squares => {
                vec![("len", offset_of!(SquaresDims, len)), ("first", offset_of!(SquaresDims, first))]
            }
            Kernel::NormOfAll => vec![("count", offset_of!(NormOfAllDims, count))],
            Kernel::Update => vec![("len", offset_of!(UpdateDims, len))],
        };
        let module = parse(&name, &wgsl);
        let (_, dims) =
            module.global_variables.iter().find(|(_, v)| v.name.as_deref() == Some("dims")).unwrap();
        let TypeInner::Struct { members, .. } = &module.types[dims.ty].inner else { panic!("{name}: Dims") };
        let found: Vec<_> =
            members.iter().map(|member| (member.name.as_deref().unwrap(), member.offset as usize)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// The host binds arrays by the names that the shader gives them, and writable only those that it writes.
#[test]
fn bindings_are_those_of_the_table() {
    for (name, kernel, step_index, wgsl) in every_shader() {
        let module = parse(&name, &wgsl);
        let mut storage = Vec::new();
        let mut step_indices = Vec::new();
        for (_, variable) in module.global_variables.iter() {
            match (variable.space, &variable.binding) {
                (AddressSpace::Storage { access }, Some(binding)) => {
                    let name = variable.name.as_deref().unwrap_or_default();
                    storage.push((binding.binding, name, access.contains(naga::StorageAccess::STORE)));
                }
                (AddressSpace::Immediate, _) => step_indices.push(StepIndex::Immediate),
                (AddressSpace::Uniform, Some(binding)) if binding.group == 1 => {
                    step_indices.push(StepIndex::Uniform)
                }
                _ => {}
            }
        }
        storage.sort();
        let arrays = (1..).zip(kernel.arrays());
        let expected: Vec<_> = arrays.map(|(at, array)| (at, array.name, array.is_written)).collect();
        assert_eq!(storage, expected, "{name}");
        // As a uniform there are three: one for each direction, and a count.
        let count = if step_index == StepIndex::Uniform { 3 } else { 1 };
        let expected = if kernel.has_step_index() { vec![step_index; count] } else { vec![] };
        assert_eq!(step_indices, expected, "{name}");
        assert!(storage.len() <= 8, "WebGPU's default limit");
    }
}

/// A cell's file declares as `const` the facts that stand in its row of the table.
#[test]
fn cells_declare_the_facts_of_their_rows() {
    let mut read = 0;
    for kernel in Kernel::all() {
        let Some(equation) = kernel.equation() else { continue };
        let (row, name) = (equation.row(), kernel.name());
        let module = parse(name, &kernel.wgsl(Tile::ALL[0], StepIndex::Immediate, Dtype::F32));
        let value = |wanted: &str| -> naga::Literal {
            let mut constants = module.constants.iter().map(|(_, constant)| constant);
            let found = constants.find(|constant| constant.name.as_deref() == Some(wanted));
            let found = found.unwrap_or_else(|| panic!("cell/{name}.wgsl declares no const {wanted}"));
            match module.global_expressions[found.init] {
                naga::Expression::Literal(literal) => literal,
                ref other => panic!("cell/{name}.wgsl: {wanted} is {other:?}"),
            }
        };
        let (first, gates) = row.input.unwrap_or((0, 1));
        for (constant, expected) in [
            ("HAS_INPUT", naga::Literal::Bool(row.input.is_some())),
            ("INPUT_GATES", naga::Literal::U32(gates as u32)),
            ("INPUT_FIRST", naga::Literal::U32(first as u32)),
            ("READS_H", naga::Literal::Bool(row.reads_h)),
            ("READS_C", naga::Literal::Bool(row.reads_c)),
            ("WRITES_C", naga::Literal::Bool(row.writes_c)),
        ] {
            let found = value(constant);
            assert_eq!(found, expected, "{constant} of cell/{name}.wgsl, and of the table of equations");
        }
        read += 1;
    }
    assert!(read >= 9, "{read} files read");
}

/// Every cell has a product of each of its gates, once, and reads the input's part of each.
#[test]
fn equations_cover_all_gates_of_their_cells() {
    for cell in Cell::ALL {
        for config in [Config::new(cell, 5), Config::new(cell, 5).gru_reset(Reset::Before)] {
            let Ok(plan) = Plan::new(&config.clone().input_size(3), 2, 1, &Limits::default()) else {
                continue;
            };
            let mut gates = Vec::new();
            for dispatch in plan.passes().flat_map(|pass| pass.dispatches.iter()) {
                let Some(equation) = dispatch.kernel.equation() else { continue };
                let Some(Product::Recurrent { first, gates: count }) = equation.product() else { continue };
                gates.extend(first..first + count);
                let width = equation.row().input.map(|(first, _)| first);
                assert!(width.is_some_and(|start| start == first || equation.is_whole()), "{config:?}");
            }
            assert_eq!(gates, (0..cell.gates()).collect::<Vec<_>>(), "{config:?}");
        }
    }
}

/// WGSL lets a store to a part of a vector touch the whole of it, so that neighbours may undo each other's
/// stores (seen on Metal and D3D: gpuweb#2112, wgpu#6096). Every store to a buffer is of a whole element.
#[test]
fn no_store_is_to_a_part_of_a_vector() {
    use naga::{Expression, Statement};

    fn stores(block: &naga::Block, found: &mut Vec<naga::Handle<Expression>>) {
        for statement in block.iter() {
            match statement {
                Statement::Store { pointer, .. } => found.push(*pointer),
                Statement::Block(inner) => stores(inner, found),
                Statement::If { accept, reject, .. } => {
                    stores(accept, found);
                    stores(reject, found);
                }
                Statement::Loop { body, continuing, .. } => {
                    stores(body, found);
                    stores(continuing, found);
                }
                Statement::Switch { cases, .. } => cases.iter().for_each(|case| stores(&case.body, found)),
                _ => {}
            }
        }
    }

    for (name, _, _, wgsl) in every_shader() {
        let module = parse(&name, &wgsl);
        let mut to_buffers = 0;
        let functions = module.functions.iter().map(|(_, function)| function);
        let entry_points = module.entry_points.iter().map(|entry| &entry.function);
        for function in functions.chain(entry_points) {
            let mut found = Vec::new();
            stores(&function.body, &mut found);
            for pointer in found {
                let mut depth = 0;
                let mut at = pointer;
                while let Expression::Access { base, .. } | Expression::AccessIndex { base, .. } =
                    function.expressions[at]
                {
                    at = base;
                    depth += 1;
                }
                let Expression::GlobalVariable(variable) = function.expressions[at] else { continue };
                if matches!(module.global_variables[variable].space, AddressSpace::Storage { .. }) {
                    assert_eq!(depth, 1, "{name}: a store to a part of an element");
                    to_buffers += 1;
                }
            }
        }
        assert!(to_buffers > 0, "{name}: no store found");
    }
}
