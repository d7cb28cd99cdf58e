"""Faults of gradients, put in on purpose one by one: each must turn a test red.

    python3 tests/traps.py [WORD]

With a word, only the faults whose name has it. Each run builds the library and takes half a minute to three; the
file is put back afterwards. Needs what the tests need, and a tree without changes in the files that are named.
"""

import os
import subprocess
import sys
import time
from typing import NamedTuple


class Trap(NamedTuple):
    name: str
    file: str
    text: str
    instead: str
    # The tests of `gradients` that are run; after @, of another test binary.
    tests: str


TRAPS = [
    Trap('dc through peephole of o is forgotten',
         'shaders/back/lstm.wgsl',
         'var dc = dc_after + p.y * da_o;',
         'var dc = dc_after;',
         'adapter::'),
    Trap('da_o after the clip',
         'shaders/back/lstm.wgsl',
         'if c <= CELL_MIN || c >= CELL_MAX ||',
         'if c < CELL_MIN - 1e9 || c > CELL_MAX + 1e9 ||',
         'adapter::'),
    Trap('coupled forgets c_before',
         'shaders/back/lstm.wgsl',
         'by_i = dc * (cell.g - c_before);',
         'by_i = dc * cell.g;',
         'adapter::'),
    Trap('GRU: one gate gradient for both products',
         'shaders/back/gru.wgsl',
         'gates[at] = Vector(vec4(da_r, da_z, dn, dn * r));',
         'gates[at] = Vector(vec4(da_r, da_z, dn, dn));',
         'adapter::'),
    Trap('GRU: dh z is lost',
         'shaders/back/gru.wgsl',
         'carry[carry_h_at(place)] = dh * z;',
         'carry[carry_h_at(place)] = 0.0;',
         'adapter::'),
    Trap('GRU before: dm r is lost',
         'shaders/back/gru_reset.wgsl',
         'carry[carry_h_at(place)] += sum * r;',
         '',
         'adapter::'),
    Trap('relu has slope 1 at 0',
         'shaders/slope.wgsl',
         'case 0u: { return select(0.0, 1.0, x > 0.0); }',
         'case 0u: { return select(0.0, 1.0, x >= 0.0); }',
         'adapter::'),
    Trap('a clipped pre-activation passes',
         'shaders/slope.wgsl',
         'return CLIPS_PREACTIVATION && abs(x) >= PREACTIVATION_CLIP;',
         'return false;',
         'adapter::'),
    Trap('gates of short rows are not zeroed',
         'shaders/back/lstm_whole.wgsl',
         '    gates[gates_at(place.sequence_row) + place.unit] = Vector();\n',
         '',
         'adapter::'),
    Trap('gradients by h of short rows do not pass on',
         'shaders/back/lstm_whole.wgsl',
         '    carry[carry_h_at(place)] += sum;\n',
         '',
         'adapter::'),
    Trap('dropout back is left out',
         'src/plan/ops/drop.rs',
         'let Some(by) = gradients.by_output(layer) else { return Ok(()) };',
         'let Some(by) = gradients.by_output(layer).filter(|_| false) else { return Ok(()) };',
         'adapter::'),
    Trap('norm: no sum over the row',
         'shaders/back/norm.wgsl',
         '(d_input - of_gates.x - again.input * of_gates.y)',
         '(d_input - again.input * of_gates.y)',
         'adapter::'),
    Trap('average is not halved',
         'src/plan/gradient_arrays.rs',
         'scale: 0.5 }',
         'scale: 1.0 }',
         'adapter::'),
    Trap('multiply takes its own direction',
         'src/plan/ops/merge.rs',
         'factors.iter().zip(directions.iter().rev())',
         'factors.iter().zip(directions.iter())',
         'adapter::'),
    Trap('residual is not passed on',
         'src/plan/ops/merge.rs',
         'let pair = (&whole(by), &whole(gradients.by_input(layer)), Operation::Copy);\n    over_time(builder, &format!("layer {layer} residual back"), &[pair])',
         'let _ = (by, &whole);\n    Ok(())',
         'adapter::'),
    Trap('input past the end is not blanked',
         'src/gpu/staging.rs',
         'if transfer.dtype != Dtype::F32 || self.plan.backward.is_some() {',
         'if transfer.dtype != Dtype::F32 {',
         'adapter::'),
    Trap('sums of peepholes are not cleared',
         'src/plan/transfers.rs',
         'if own.sum_count > 0 {',
         'if own.sum_count > 1000 {',
         'adapter::'),
    Trap('segments: border is not carried',
         'src/plan/ops/recur_back.rs',
         'builder.walk.once(format!("layer {} border back", slot.layer), vec![border]);',
         'builder.walk.once(format!("layer {} border back", slot.layer), vec![border].into_iter().filter(|_| false).collect());',
         'in_segments'),
    Trap('partial sums: last chunk is lost',
         'shaders/reduce.wgsl',
         'for (var p = 0u; p < dims.count; p += 1u) {',
         'for (var p = 0u; p < max(dims.count, 2u) - 1u; p += 1u) {',
         'adapter::'),
    Trap("states made again without the recurrent product's place",
         'src/plan/ops/again.rs',
         'adds: recurrent.is_none(),',
         'adds: false,',
         'adapter::'),
    Trap('rows past the end are not blanked in an encoded call',
         'shaders/carry/to_ends.wgsl',
         'return dims.first_step + step >= lengths[dims.first_place + place];',
         'return false;',
         'encoded::'),
    Trap('accumulated gradients overwrite',
         'shaders/carry.wgsl',
         '    if ADDS {',
         '    if false {',
         'encoded::'),
    Trap("frozen layers keep the last call's gradients",
         'src/gpu/interop/saved.rs',
         '                if start < end {',
         '                if start > end {',
         'encoded::'),
    Trap("a gradient that is not given is the last call's",
         'src/gpu/interop/saved.rs',
         '            if !is_given {',
         '            if false {',
         'encoded::'),
    Trap("the last output's average is not halved",
         'src/plan/ops/merge.rs',
         '(Merge::Average, _) => add((by, 0), Operation::AddHalf)?',
         '(Merge::Average, _) => add((by, 0), Operation::Sum)?',
         'last_only_with_each_other'),
    Trap('dropout back is left out on the CPU engine',
         'src/cpu/gradient.rs',
         '                dropout.apply(layer, above.view_mut());',
         '                let _ = (&dropout, &above);',
         'cpu::'),
    Trap('a gradient is off by a thousandth',
         'shaders/back/lstm.wgsl',
         '    let da_g = through_candidate(cell.a_g, cell.g, dc * cell.i);',
         '    let da_g = through_candidate(cell.a_g, cell.g, dc * cell.i) * 1.001;',
         'adapter::anything'),
    Trap('passes that nobody wants are dispatched',
         'src/gpu/encode.rs',
         'if is_empty(planned, steps) || !is_wanted(planned, longest.wanted) {',
         'if is_empty(planned, steps) {',
         'not_dispatched'),
    Trap('later partial sums overwrite',
         'src/plan/ops/outers.rs',
         '                adds: self.adds || index > 0,',
         '                adds: self.adds,',
         'partial_sums'),
    Trap('f16 gradients are off by three hundredths',
         'shaders/back/lstm_update.wgsl',
         '    gates[at] = Vector(back.da);',
         '    gates[at] = Vector(1.03 * back.da);',
         'in_half'),
    Trap('buffers end within a vector',
         'src/plan/buffers.rs',
         'let len = len.div_ceil(FOUR).saturating_mul(FOUR);',
         'let len = len;',
         '@shaders buffers_end'),
]


def is_red(trap):
    with open(trap.file, encoding="utf-8") as file:
        whole = file.read()
    if trap.text not in whole:
        sys.exit(f"{trap.name}: expected {trap.text!r} in {trap.file}, found none")
    binary, tests = trap.tests[1:].split() if trap.tests.startswith("@") else ("gradients", trap.tests)
    with open(trap.file, "w", encoding="utf-8") as file:
        file.write(whole.replace(trap.text, trap.instead, 1))
    try:
        command = ["cargo", "test", "--locked", "--test", binary, "--", tests]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        with open(trap.file, "w", encoding="utf-8") as file:
            file.write(whole)
    if "could not compile" in result.stderr:
        sys.exit(f"{trap.name}: the fault does not compile\n{result.stderr[-2000:]}")
    return result.returncode != 0


def main():
    os.chdir(os.path.join(os.path.dirname(__file__), ".."))
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    wanted = [trap for trap in TRAPS if word in trap.name]
    green = 0
    for number, trap in enumerate(wanted, 1):
        start = time.time()
        red = is_red(trap)
        green += not red
        print(f"{number:>3}/{len(wanted)}  {'red' if red else 'GREEN':<5}  {time.time() - start:4.0f} s  {trap.name}",
              flush=True)
    sys.exit(1 if green else 0)


main()
