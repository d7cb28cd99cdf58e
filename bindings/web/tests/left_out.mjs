// Trials that no browser runs, each with its reason, and those that take long there.

const NO_THREADS = "wasm32 without atomics has one thread";

/** The name of a trial, and why it is left out. */
export const LEFT_OUT = {
  "engines::adapter::streams::eight_threads_give_the_same_bits": NO_THREADS,
  "gradients::cpu::bits_depend_on_no_thread": NO_THREADS,
  "gradients::cpu::nothing_is_allocated_per_step": NO_THREADS,
};

/** The name of a trial that runs with --all alone, and its seconds. */
export const LONG = {};
