//! The table itself: no setting is without a row, no row without a cell.

use crate::common::options::{OPTIONS, Setup, cells, with};
use crate::engines::{Offer, Outcome, Trials};
use std::collections::{BTreeMap, BTreeSet};
use wgpu_rnn::Cell;

/// Sizes, which every test has others of.
const NO_OPTIONS: [&str; 3] = ["cell", "hidden_size", "input_size"];

pub fn add(trials: &mut Trials) {
    trials.add(Offer::Cpu, "options::every_setting_has_a_row", |_| every_setting_has_a_row());
    trials.add(Offer::Cpu, "options::every_row_has_a_cell", |_| every_row_has_a_cell());
}

/// The fields of a configuration and of what a call gives back, and their values.
fn fields(setup: &Setup) -> BTreeMap<String, String> {
    let text = format!("{:#?}\n{:#?}", setup.config, setup.outputs);
    let mut fields = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        let is_field = line.starts_with("    ") && !line.starts_with("     ") && line.contains(": ");
        if let (true, Some((field, _))) = (is_field, line.trim().split_once(':')) {
            field.clone_into(&mut name);
        }
        if line.starts_with("    ") {
            fields.entry(name.clone()).or_insert_with(String::new).push_str(line);
        }
    }
    fields
}

fn every_setting_has_a_row() -> Outcome {
    let mut changed = BTreeSet::new();
    for cell in Cell::ALL {
        let plain = fields(&with(cell, &[]));
        if plain.len() < 20 {
            return Err(format!("{} fields found: {plain:?}", plain.len()).into());
        }
        for row in &OPTIONS {
            let own = fields(&with(cell, &[row]));
            changed.extend(
                own.into_iter().filter(|(name, value)| plain.get(name) != Some(value)).map(|(name, _)| name),
            );
        }
    }
    for name in fields(&with(Cell::ALL[0], &[])).into_keys() {
        if !changed.contains(&name) && !NO_OPTIONS.contains(&name.as_str()) {
            return Err(
                format!("no row of the table of options (tests/common/options.rs) changes {name}").into()
            );
        }
    }
    Ok(())
}

fn every_row_has_a_cell() -> Outcome {
    match OPTIONS.iter().find(|row| cells(&[row]).is_empty()) {
        Some(row) => Err(format!("no cell can have {}", row.name).into()),
        None => Ok(()),
    }
}
