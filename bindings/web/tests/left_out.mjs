// Trials that no browser runs, and those that take long there: names, in which * stands for anything, and why.
//
// The offers of limits and of machines (webgpu_defaults, unchecked, discrete) are left out in
// tests/common/engines.rs, and bindings smaller than WebGPU's defaults in tests/common/options.rs.

const NO_THREADS = "wasm32 without atomics has one thread";

export const LEFT_OUT = {
  "engines::adapter::streams::eight_threads_give_the_same_bits": NO_THREADS,
  "gradients::cpu::bits_depend_on_no_thread": NO_THREADS,
  "gradients::cpu::nothing_is_allocated_per_step": NO_THREADS,
};

const MANY_PIPELINES = "SwiftShader compiles some hundred pipelines for it; each option alone is run, and all of these natively";

/** Those that --all runs. */
export const LONG = {
  "engines::adapter::options::*_with_each_other": MANY_PIPELINES,
  "engines::adapter::options::anything_at_once": MANY_PIPELINES,
  "engines::adapter::lstm::equals_the_reference_anywhere": MANY_PIPELINES,
  "engines::adapter::gru::equals_the_reference_anywhere": MANY_PIPELINES,
  "gradients::adapter::options::*_with_each_other": MANY_PIPELINES,
  "gradients::adapter::anything_at_once": MANY_PIPELINES,
};

/** Whether a name is one that such a pattern stands for. */
export function isOne(pattern, name) {
  const [start, end] = pattern.split("*");
  return end === undefined ? name === start : name.startsWith(start) && name.endsWith(end);
}
