//! Ladders of kernels for what a call consists of, from naive to what ships, beside the floors of the
//! adapter.
//!
//!     cargo bench --bench kernels -- --quick
//!
//! Each version is a file of this folder, whose head says what it changes and why; what ships is the
//! library's own text, as its plan sets it. Each is held against a product in f64 before it is timed, and all
//! of a ladder run in turn, so that other load on the machine meets all alike. That, the floors of the same
//! run and rates beside times are why it has a loop of its own: criterion and divan finish one benchmark
//! before they begin the next, and know neither.

mod floors;
mod gpu;
mod ladder;
mod persistent;
mod product;
mod step;

use clap::Parser;
use gpu::{Failure, Gpu};
use ladder::paint;

/// Time the kernels of wgpu-rnn, and those that they grew from, on the best adapter (or WGPU_ADAPTER_NAME).
#[derive(Parser)]
struct Arguments {
    /// Fewer rounds, and one shape of each: half a minute
    #[arg(long)]
    quick: bool,

    /// Only whether workgroups can wait for each other, by a counter and by values
    #[arg(long)]
    persistent: bool,

    /// Rounds, in each of which every version runs once (quick: 5)
    #[arg(long, default_value_t = 20)]
    rounds: usize,

    /// Only versions whose names contain this: `ships`, say
    #[arg(long, value_name = "PART", default_value = "")]
    only: String,

    /// Given by cargo bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failure> {
    env_logger::init();
    let arguments = Arguments::parse();
    let rounds = if arguments.quick { 5 } else { arguments.rounds };
    let gpu = Gpu::open()?;
    println!("{}", paint(&format!("adapter: {}; wgpu 30; {rounds} rounds", gpu.name), "1"));
    let floors = floors::Floors::measure(&gpu, rounds)?;
    println!("{floors}\n");
    if arguments.persistent {
        return persistent::run(&gpu, &floors, 5 * rounds);
    }
    let shapes = if arguments.quick { 1 } else { usize::MAX };
    for shape in product::SHAPES.into_iter().take(shapes) {
        product::ladder(&gpu, shape)?.run(&gpu, rounds, &arguments.only)?;
    }
    for shape in step::SHAPES.into_iter().take(shapes) {
        step::ladder(&gpu, shape)?.run(&gpu, rounds, &arguments.only)?;
    }
    Ok(())
}
