//! The only check of the settings, alone and together.

use super::{Cell, Config, Merge, Network, Reset};
use crate::{Error, Result};

/// The most layers: far more than any network has, and few enough to plan.
const MAX_LAYERS: usize = 1 << 16;

impl Config {
    /// The network of these settings. The input size may still be open.
    pub(crate) fn check(&self) -> Result<Network> {
        self.check_sizes()?;
        self.check_cells()?;
        self.check_numbers()?;
        self.check_connections()?;
        Ok(Network::resolve(self))
    }

    fn check_sizes(&self) -> Result<()> {
        at_least_one("num_layers", self.num_layers)?;
        if self.num_layers > MAX_LAYERS {
            return refuse("num_layers", format!("at most {MAX_LAYERS}"), self.num_layers);
        }
        at_least_one("hidden_size", self.hidden_size)?;
        if let Some(&first) = self.stack.first() {
            if self.stack.len() != self.num_layers {
                let expected = format!("{}, as the stack has layers", self.stack.len());
                return refuse("num_layers", expected, self.num_layers);
            }
            if first != (self.cell, self.hidden_size) {
                let expected = format!("{} {} in the first layer", self.cell.name(), self.hidden_size);
                return refuse("stack", expected, format!("{} {}", first.0.name(), first.1));
            }
            self.stack.iter().try_for_each(|&(_, size)| at_least_one("hidden_size", size))?;
        }
        let widest = self
            .stack
            .iter()
            .map(|&(_, size)| size)
            .chain([self.hidden_size, self.proj_size])
            .max()
            .unwrap_or(0);
        if !can_be_counted(
            [widest, self.input_size, self.num_layers].map(|size| size as u64),
            isize::MAX as u64,
        ) {
            let found = format!(
                "hidden_size {widest}, input_size {}, num_layers {}",
                self.input_size, self.num_layers
            );
            return refuse("sizes", "weights that can be counted", found);
        }
        if self.proj_size > 0 {
            self.all_are(Cell::Lstm, "proj_size")?;
        }
        Ok(())
    }

    /// The settings that belong to one kind of cell.
    fn check_cells(&self) -> Result<()> {
        if self.gru_reset == Reset::Before {
            self.all_are(Cell::Gru, "gru_reset before")?;
        }
        for (name, is_set) in [
            ("peepholes", self.peepholes),
            ("coupled_input_forget", self.coupled_input_forget),
            ("layer_norm", self.layer_norm),
            ("cell_clip", self.cell_clip.is_some()),
        ] {
            if is_set {
                self.all_are(Cell::Lstm, name)?;
            }
        }
        if !self.activations.is_empty() {
            let directions = self.directions.count();
            for (cell, _) in self.kinds() {
                let (one, all) = (cell.activations().len(), cell.activations().len() * directions);
                if self.activations.len() != one && self.activations.len() != all {
                    let many = if directions == 1 { one.to_string() } else { format!("{one} or {all}") };
                    let expected = format!("{many} for {}", cell.name());
                    return refuse("activations", expected, self.activations.len());
                }
            }
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<()> {
        let cells = self.stack.iter().map(|(cell, _)| *cell).chain([self.cell]);
        let own = cells.filter_map(Cell::activation);
        for activation in self.activations.iter().copied().chain(own) {
            if !activation.parameters().iter().all(|parameter| parameter.is_finite()) {
                return refuse("activations", "finite parameters", activation);
            }
        }
        if let Some(clip) = self.cell_clip {
            if clip.nan && clip.min == f32::NEG_INFINITY && clip.max == f32::INFINITY {
                return refuse("cell_clip_nan", "a cell_clip beside it", "none");
            }
            let found = || format!("min {}, max {}", clip.min, clip.max);
            // A NaN is not at most anything.
            let in_order = clip.min <= clip.max;
            if !in_order {
                return refuse("cell_clip", "min at most max", found());
            }
            // A bound that does not bind is f32::MAX.
            if !(clip.min.is_finite() && clip.max.is_finite()) {
                return refuse("cell_clip", "finite bounds", found());
            }
        }
        match self.preactivation_clip {
            Some(bound) if !(bound > 0.0 && bound.is_finite()) => {
                refuse("preactivation_clip", "a finite number over 0", bound)
            }
            _ => Ok(()),
        }
    }

    /// The connections between layers and directions.
    fn check_connections(&self) -> Result<()> {
        if self.merge != Merge::Concatenate && self.directions.count() == 1 {
            return refuse("merge", "two directions to merge", "one");
        }
        if self.residual {
            let mut sizes = self.layers_that_differ().map(|layer| self.state_size_of(layer));
            let first = sizes.next().unwrap_or(0);
            if let Some(other) = sizes.find(|&size| size != first) {
                return refuse("residual", format!("layers of one size, {first}"), other);
            }
        }
        Ok(())
    }

    fn all_are(&self, wanted: Cell, name: &'static str) -> Result<()> {
        match self.kinds().find(|&(cell, _)| cell != wanted) {
            Some((other, _)) => {
                refuse(name, if wanted == Cell::Lstm { "an LSTM" } else { "a GRU" }, other.name())
            }
            None => Ok(()),
        }
    }

    /// Cell and hidden size of the layers: of every layer of a stack, or of the first layer.
    fn kinds(&self) -> impl Iterator<Item = (Cell, usize)> {
        self.layers_that_differ().map(|layer| self.cell_of(layer))
    }
}

fn at_least_one(name: &'static str, value: usize) -> Result<()> {
    if value > 0 { Ok(()) } else { refuse(name, "at least 1", value) }
}

fn refuse(name: &'static str, expected: impl Into<String>, found: impl ToString) -> Result<()> {
    Err(Error::Setting { name, expected: expected.into(), found: found.to_string() })
}

/// True for sizes (the widest layer, the input, layers) whose weights memory can hold at most. In u64, since
/// memory may have 32 bits; an eighth of u64 leaves room for both directions and for sums.
fn can_be_counted([widest, input_size, num_layers]: [u64; 3], most_bytes: u64) -> bool {
    let wide = widest.checked_mul(2).map(|wide| wide.max(input_size));
    let numbers = wide
        .and_then(|wide| wide.checked_mul(4))
        .and_then(|wide| wide.checked_mul(widest))
        .and_then(|matrix| matrix.checked_mul(num_layers));
    let bytes = numbers.and_then(|numbers| numbers.checked_mul(size_of::<f32>() as u64));
    bytes.is_some_and(|bytes| bytes <= most_bytes.min(u64::MAX >> 3))
}

#[cfg(test)]
mod tests {
    use super::can_be_counted;

    #[test]
    fn sizes_are_counted_whatever_memory_holds() {
        // A browser's memory.
        let most = i32::MAX as u64;
        assert!(can_be_counted([4096, 4096, 1], most));
        assert!(can_be_counted([2048, 2048, 4], most));
        assert!(!can_be_counted([8192, 8192, 1], most));
        assert!(!can_be_counted([1 << 20, 1, 1 << 16], most));
        assert!(can_be_counted([1 << 20, 1, 1 << 12], i64::MAX as u64));
        assert!(!can_be_counted([1 << 32, 1, 1], i64::MAX as u64));
        assert!(!can_be_counted([u64::MAX, 1, 1], u64::MAX));
    }
}
