//! Absurd sizes and names: errors, without a long wait and without the end of the process.

use super::{CHILD, expect, refused};
use crate::engines::Outcome;
use wgpu_rnn::{Config, Engine, Error, Init, Limits, Plan, Rnn, Weights, Workload};

/// Sizes that no adapter has, of every axis: errors, in debug builds too, and no long wait.
pub fn absurd_plans() -> Outcome {
    let limits = Limits::default();
    let large = [1 << 16, 30_000, 1 << 24, (1 << 24) + 1, u32::MAX as usize, usize::MAX / 2, usize::MAX];
    let configs = [
        Config::gru(5).input_size(3),
        Config::lstm(5).num_layers(2).bidirectional().layer_norm().input_size(3),
        Config::lstm(5).proj_size(9).bidirectional().merge(wgpu_rnn::Merge::Multiply).input_size(3),
    ];
    for config in &configs {
        for (steps, batch) in large.into_iter().flat_map(|size| [(size, 32), (32, size), (size, size)]) {
            let planned = Plan::new(config, steps, batch, &limits);
            let fits = planned.is_ok();
            let is_known = matches!(&planned, Ok(_) | Err(Error::TooLarge { .. }));
            expect(&format!("T {steps}, N {batch}: an error of size"), is_known, true)?;
            let numbers = steps.saturating_mul(batch).saturating_mul(3);
            expect(&format!("T {steps}, N {batch}"), fits && numbers > 1 << 34, false)?;
        }
    }
    refused("T 2^24, N 30,000", Plan::new(&configs[0], 1 << 24, 30_000, &limits), |error| {
        matches!(error, Error::TooLarge { unit: "segments", .. })
    })?;
    refused("T 32, N 2^63 - 1", Plan::new(&configs[0], 32, usize::MAX / 2, &limits), |error| {
        matches!(error, Error::TooLarge { unit: "bytes", .. })
    })?;
    let none = |steps, batch| Plan::of(&configs[0], &Workload::new(steps, batch), &limits);
    for (name, planned) in [("T", none(0, 1)), ("N", none(1, 0))] {
        refused(
            name,
            planned,
            |error| matches!(error, Error::Argument { name: found, .. } if *found == name),
        )?;
    }
    Ok(())
}

/// Runs `task` in a child process of this program. Gives the child's output; a failed child is an error.
#[cfg(unix)]
fn child(command: &mut std::process::Command, task: &str) -> Result<String, libtest_mimic::Failed> {
    let output = command.env(CHILD, task).output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// In 3 GB of address space, of which the weights would need 8.6.
#[cfg(unix)]
pub fn without_memory() -> Outcome {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -v 3000000 && exec \"$0\""]).arg(std::env::current_exe()?);
    let said = child(&mut command, "memory")?;
    let needed = "the weights of the network: needs 8724152320 bytes of memory, which could not be had";
    expect("what it says", said.lines().collect::<Vec<_>>(), vec![needed, needed, "planned"])?;
    Ok(())
}

pub fn too_many_layers() {
    let config = Config::lstm(64).num_layers(65_536).input_size(64);
    print_error(Weights::init(&config, &Init::pytorch()));
    print_error(Rnn::lazy(&Engine::cpu(), &config, Init::pytorch()));
    let planned = Plan::new(&config, 4, 1, &Limits::default());
    println!("{}", planned.map_or_else(|error| error.to_string(), |_| "planned".into()));
}

pub fn print_error<T: std::fmt::Debug>(result: wgpu_rnn::Result<T>) {
    println!("{}", result.map_or_else(|error| error.to_string(), |_| "no error".into()));
}

#[cfg(unix)]
pub fn name_that_is_no_text() -> Outcome {
    use std::os::unix::ffi::OsStrExt;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.env("WGPU_ADAPTER_NAME", std::ffi::OsStr::from_bytes(b"llvm\xffpipe"));
    let expected = "WGPU_ADAPTER_NAME: expected an adapter's name in UTF-8, found \"llvm\u{fffd}pipe\"\n";
    expect("what it says", child(&mut command, "name")?.as_str(), expected)?;
    Ok(())
}
