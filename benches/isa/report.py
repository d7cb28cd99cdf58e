#!/usr/bin/env python3
"""Machine code of the kernels, by a real GPU's compiler, on a machine without a GPU. README.md has the columns."""

import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
INSTRUCTION = re.compile(r'\s+((?:v|s|ds|buffer|global|flat|scratch)_\w+)(.*)')
BYTES = {'dwordx4': 16, 'dwordx3': 12, 'dwordx2': 8, 'dword': 4, 'b128': 16, 'b96': 12, 'b64': 8, 'b32': 4}


def compiled(family, checked, only, tiles):
    """Everything that the driver says of the kernels."""
    target = pathlib.Path(os.environ.get('CARGO_TARGET_DIR') or HERE.parents[1] / 'target')
    manifest = ['--manifest-path', HERE / 'Cargo.toml', '--target-dir', target]
    subprocess.run(['cargo', 'build', '--quiet', '--locked', '--release', *manifest], check=True)
    drivers = sorted(pathlib.Path('/usr/share/vulkan/icd.d').glob('radeon_icd*.json'))
    if not drivers:
        sys.exit('no RADV on this machine: install mesa-vulkan-drivers')
    driver = str(drivers[0])
    environment = dict(
        os.environ,
        RADV_FORCE_FAMILY=family,
        RADV_DEBUG='shaders,shaderstats,nocache',
        VK_ICD_FILENAMES=driver,
        VK_DRIVER_FILES=driver,
    )
    if checked:
        environment['CHECKED'] = '1'
    if tiles:
        environment['TILES'] = '1'
    run = subprocess.run([target / 'release/isa', only], env=environment, capture_output=True, text=True)
    if run.returncode:
        sys.exit((run.stderr + run.stdout)[-2000:])
    return run.stderr + run.stdout


def kind(op):
    if re.match(r'v_(pk_)?(fma|fmac|mad_f|mac|dot)', op):
        return 'fma'
    if op.startswith('v_'):
        return 'valu'
    if op.startswith('ds_'):
        return 'lds'
    if re.match(r'(buffer|global|flat|scratch|image)_', op):
        return 'vmem'
    return 'salu'


def count(ops):
    kinds = collections.Counter(kind(op) for op in ops)
    loads = [op for op in ops if kind(op) == 'vmem' and 'load' in op]
    kinds['bytes'] = sum(BYTES.get(op.rsplit('_', 1)[-1], 2) for op in loads)
    kinds['all'] = len(ops)
    return kinds


def hottest_loop(assembly):
    """Counts of the loop with the largest share of multiply-adds; of the whole program, if no loop has any."""
    labels, ops, loops = {}, [], []
    for line in assembly.splitlines():
        if label := re.match(r'BB(\d+):', line):
            labels[label[1]] = len(ops)
        elif instruction := INSTRUCTION.match(line):
            ops.append(instruction[1])
            target = re.search(r'BB(\d+)', instruction[2]) if 'branch' in instruction[1] else None
            if target and target[1] in labels:
                loops.append(count(ops[labels[target[1]]:]))
    if not any(loop['fma'] for loop in loops):
        return count(ops)
    return max(loops, key=lambda loop: (loop['fma'] / max(1, loop['all']), loop['fma']))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument('family', nargs='?', default='navi21', help='a card: navi21, vega10, gfx1100')
    arguments.add_argument('--isa', metavar='FILE', help='keep the whole assembly there')
    arguments.add_argument('--checked', action='store_true', help="kernels with wgpu's checks of bounds")
    arguments.add_argument('--only', metavar='NAME', default='', help='networks whose name has this part')
    arguments.add_argument('--tiles', action='store_true', help='the steps by every tile, not by the chosen one')
    arguments = arguments.parse_args()
    text = compiled(arguments.family, arguments.checked, arguments.only, arguments.tiles)
    if arguments.isa:
        pathlib.Path(arguments.isa).write_text(text)

    print(f"{'network':<22}{'kernel':<23}{'groups':>12}{'VGPR':>5}{'spill':>6}{'LDS':>6}{'waves':>6} |"
          f"{'fma':>5}{'valu':>5}{'lds':>4}{'vmem':>5}{'salu':>5}{'share':>6}{'turns':>6}{'B/fma':>6}{'est. us':>8}")
    # A kernel of several networks was compiled for the first of them.
    compiled_parts, printed = {}, set()
    for part in text.split('\n#### ')[1:]:
        network, kernel, groups, multiplies, estimate, index = (word.strip() for word in part.split('\n')[0].split('|'))
        part = compiled_parts.setdefault(index, part)
        is_step = kernel.split()[0] not in ('gemm', 'outer', 'reduce')
        if (network, kernel, groups, multiplies) in printed or arguments.tiles and not is_step:
            continue
        printed.add((network, kernel, groups, multiplies))

        def statistic(name):
            return (re.findall(rf'^{name}: (\d+)', part, re.M) or ['?'])[-1]

        loop = hottest_loop(part[part.rfind('disasm:'):])
        fma = loop['fma']
        spills = int(statistic('Spilled VGPRs')) + int(statistic('Spilled SGPRs'))
        share = 100 * fma / max(1, fma + loop['valu'])
        groups = groups.replace(' ', '')
        print(f"{network:<22}{kernel:<23}{groups:>12}{statistic('VGPRs'):>5}{spills:>6}"
              f"{statistic('LDS size'):>6}{statistic('Subgroups per SIMD'):>6} |"
              f"{fma:>5}{loop['valu']:>5}{loop['lds']:>4}{loop['vmem']:>5}{loop['salu']:>5}"
              f"{share:>5.0f}%{float(multiplies) / max(1, fma):>6.0f}{loop['bytes'] / max(1, fma):>6.2f}"
              f"{float(estimate):>8.1f}")


if __name__ == '__main__':
    main()
