//! The plan as a table, to read and to compare in tests.

use super::{Buffer, Content, Pass, Plan, Transfer};
use crate::{Config, Directions};
use std::fmt;

/// What a plan is of, in words.
pub(super) fn title(config: &Config, steps: usize, batch: usize) -> String {
    let directions = match config.directions {
        Directions::Forward => "",
        Directions::Reverse => " reverse",
        Directions::Both => " bidirectional",
    };
    let layers = config.num_layers;
    let s = if layers == 1 { "" } else { "s" };
    let projection = if config.proj_size > 0 { format!(", P {}", config.proj_size) } else { String::new() };
    let kinds = if config.stack.is_empty() {
        format!("{}{directions}, {layers} layer{s}", config.cell.name())
    } else {
        let kinds = config.stack.iter().map(|(cell, size)| format!("{} {size}", cell.name()));
        format!("{}{directions}", kinds.collect::<Vec<_>>().join(", "))
    };
    let (features, hidden) = (config.input_size, config.hidden_size);
    let hidden = if config.stack.is_empty() { format!(", H {hidden}") } else { String::new() };
    format!("{kinds}, I {features}{hidden}{projection}, T {steps}, N {batch}")
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {}", self.title, self.schedule.name())?;
        writeln!(f, "{:<26} {:>12}", "buffer", "bytes")?;
        for buffer in &self.buffers {
            writeln!(f, "  {buffer}")?;
        }
        let copied = |copies: &[Transfer]| copies.iter().map(Transfer::bytes).sum::<u64>();
        writeln!(f, "{:<26} {:>12}", "  all", self.buffer_bytes())?;
        for (index, passes) in self.submits.iter().enumerate() {
            let head = format!("submit {index}");
            writeln!(
                f,
                "{head:<18} {:<16} {:>10} {:>14} {:>12} {:>12}",
                "kernel/rows", "dispatches", "workgroups", "FLOP", "bytes"
            )?;
            if index == 0 {
                let (count, bytes) = (self.uploads.len(), copied(&self.uploads));
                writeln!(
                    f,
                    "  {:<16} {:<16} {count:>10} {:>14} {:>12} {bytes:>12}",
                    "upload", "copy", "", ""
                )?;
            }
            for pass in passes {
                self.show_pass(pass, f)?;
            }
        }
        let (count, bytes) = (self.downloads.len(), copied(&self.downloads));
        writeln!(f, "  {:<16} {:<16} {count:>10} {:>14} {:>12} {bytes:>12}", "download", "copy", "", "")?;
        writeln!(
            f,
            "all: {} submits, {} passes, {} dispatches, {} FLOP",
            self.submits.len(),
            self.passes().count(),
            self.dispatches(),
            self.flops()
        )
    }
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.content {
            Content::Upload | Content::Download => "staging",
            Content::Work => "",
            _ => "weights",
        };
        let line = format!("{:<24} {:>12}  {kind}", self.name, self.bytes());
        f.write_str(line.trim_end())
    }
}

impl Plan {
    fn show_pass(&self, pass: &Pass, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, dispatch) in pass.dispatches.iter().enumerate() {
            let label = if index == 0 { pass.label.as_str() } else { "" };
            let tile =
                if dispatch.kernel.has_tiles() { format!("/{}", dispatch.tile) } else { String::new() };
            let kernel = format!("{}{tile}", dispatch.kernel.name());
            let [x, y, z] = self.workgroups(dispatch, self.steps);
            let (repeats, groups) = (pass.repeats(), format!("{x}x{y}x{z}"));
            let (flops, bytes) = (pass.steps() * dispatch.flops, pass.steps() * dispatch.bytes);
            writeln!(f, "  {label:<16} {kernel:<16} {repeats:>10} {groups:>14} {flops:>12} {bytes:>12}")?;
        }
        Ok(())
    }
}
