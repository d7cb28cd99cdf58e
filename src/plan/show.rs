//! The plan as a table, to read and to compare in tests.

use super::{Buffer, Content, Pass, Plan, SavedBytes, Transfer, Way, Workload};
use crate::network::{Directions, Dtype, Network, SlotSpec};
use std::fmt;

/// The network and the size of a call, in words.
pub(super) fn title(network: &Network, workload: &Workload) -> String {
    let Workload { steps, batch, .. } = workload;
    format!("{}, T {steps}, N {batch}", words(network))
}

/// The packing of a network's weights, in words.
pub(super) fn packing_title(network: &Network, dtype: Dtype) -> String {
    format!("weights of {} as {}", words(network), dtype.name())
}

fn words(network: &Network) -> String {
    let directions = match network.directions {
        Directions::Forward => "",
        Directions::Reverse => " reverse",
        Directions::Both => " bidirectional",
    };
    let first = &network.slots[0];
    let is_alike =
        |slot: &SlotSpec| slot.cell.cell == first.cell.cell && slot.hidden_size == first.hidden_size;
    let (kinds, hidden) = if network.slots.iter().all(is_alike) {
        let (layers, s) = (network.num_layers, if network.num_layers == 1 { "" } else { "s" });
        let kinds = format!("{}{directions}, {layers} layer{s}", first.cell.cell.name());
        (kinds, format!(", H {}", first.hidden_size))
    } else {
        let kinds =
            network.layers().map(|slots| format!("{} {}", slots[0].cell.cell.name(), slots[0].hidden_size));
        (format!("{}{directions}", kinds.collect::<Vec<_>>().join(", ")), String::new())
    };
    let projection =
        if first.cell.has_projection { format!(", P {}", first.state_size) } else { String::new() };
    format!("{kinds}, I {}{hidden}{projection}", network.input_size)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps {
            0 => writeln!(f, "{}", self.title)?,
            _ => writeln!(f, "{}, {}", self.title, self.schedule.name())?,
        }
        writeln!(f, "{:<26} {:>12}", "buffer", "bytes")?;
        for buffer in &self.buffers {
            writeln!(f, "  {buffer}")?;
        }
        writeln!(f, "{:<26} {:>12}", "  all", self.buffer_bytes())?;
        if let Some(SavedBytes { gates, states }) = self.saved {
            writeln!(f, "{:<26} {gates:>12}", "  kept if gates are saved")?;
            writeln!(f, "{:<26} {states:>12}", "  kept if states alone are")?;
            let is_half = |buffer: &Buffer| buffer.content == Content::Saved && buffer.dtype == Dtype::F16;
            if self.buffers.iter().any(is_half) {
                writeln!(f, "  gradients by pre-activations are f16: scale the loss")?;
            }
        }
        for (index, way) in self.ways().enumerate() {
            if index > 0 {
                writeln!(f, "backward")?;
            }
            self.show_way(way, f)?;
        }
        let submits = self.ways().map(|way| way.submits.len()).sum::<usize>();
        writeln!(
            f,
            "all: {submits} submits, {} passes, {} dispatches, {} FLOP, {:.1} us estimated",
            self.passes().count(),
            self.dispatches(),
            self.flops(),
            1e6 * self.seconds()
        )
    }
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.content {
            Content::Upload | Content::Download => "staging",
            Content::Work => "",
            Content::Saved => "saved",
            Content::Weight(_) => "weights",
            Content::Parameters { .. } => "parameters",
            Content::Given(_) => "given",
        };
        let line = format!("{:<24} {:>12}  {kind}", self.name, self.bytes());
        f.write_str(line.trim_end())
    }
}

impl Plan {
    fn show_way(&self, way: &Way, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let copied = |copies: &[Transfer]| copies.iter().map(Transfer::bytes).fold(0, u64::saturating_add);
        for (index, passes) in way.submits.iter().enumerate() {
            let head = format!("submit {index}");
            writeln!(
                f,
                "{head:<18} {:<16} {:>10} {:>14} {:>12} {:>12} {:>10} {:<8}",
                "kernel/rows", "dispatches", "workgroups", "FLOP", "bytes", "est. us", "bound by"
            )?;
            if index == 0 && !way.uploads.is_empty() {
                let (count, bytes) = (way.uploads.len(), copied(&way.uploads));
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
        if !way.downloads.is_empty() {
            let (count, bytes) = (way.downloads.len(), copied(&way.downloads));
            writeln!(f, "  {:<16} {:<16} {count:>10} {:>14} {:>12} {bytes:>12}", "download", "copy", "", "")?;
        }
        Ok(())
    }

    fn show_pass(&self, pass: &Pass, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, dispatch) in pass.dispatches.iter().enumerate() {
            let label = if index == 0 { pass.label.as_str() } else { "" };
            let tile =
                if dispatch.kernel.has_tiles() { format!("/{}", dispatch.tile) } else { String::new() };
            let kernel = format!("{}{tile}", dispatch.kernel.name());
            let [x, y, z] = self.workgroups(dispatch, self.steps);
            let (repeats, groups) = (pass.repeats(), format!("{x}x{y}x{z}"));
            let (flops, bytes) =
                (pass.steps().saturating_mul(dispatch.flops), pass.steps().saturating_mul(dispatch.bytes));
            let estimate = self.estimate(pass, dispatch);
            let (time, bound) = (1e6 * repeats as f64 * estimate.seconds, estimate.bound);
            writeln!(
                f,
                "  {label:<16} {kernel:<16} {repeats:>10} {groups:>14} {flops:>12} {bytes:>12} {time:>10.1} {bound}"
            )?;
        }
        Ok(())
    }
}
