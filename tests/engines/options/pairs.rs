//! Every two options together, of a cell that can have both: the cells take turns.

use super::check;
use crate::common::options::{OPTIONS, Row, cells, with};
use crate::engines::{Offer, Outcome, Trials};
use wgpu_rnn::{Call, Cell, Engine, Error, Rnn};

/// Pairs that no cell can have: options of two cells, a stack that mixes cells, and those that OPTIONS.md
/// names.
const REFUSED: usize = 28;

pub fn add(trials: &mut Trials, offer: Offer) {
    for (index, row) in OPTIONS.iter().enumerate() {
        let name = format!("options::{}_with_each_other", row.name);
        let test = move |engine: &Engine| {
            (index + 1..OPTIONS.len()).try_for_each(|other| pair(engine, index, other))
        };
        trials.add(offer, &name, test);
    }
    trials.add(offer, "options::refused_together", refused_together);
}

fn rows(one: usize, other: usize) -> [&'static Row; 2] {
    [&OPTIONS[one], &OPTIONS[other]]
}

fn pair(engine: &Engine, one: usize, other: usize) -> Outcome {
    let (rows, seed) = (rows(one, other), 31 * one + other);
    let cells = cells(&rows);
    if cells.is_empty() {
        return Ok(());
    }
    let setup = with(cells[seed % cells.len()], &rows);
    let outcome = check(engine, &setup, seed as u32);
    let said = |failed: libtest_mimic::Failed| {
        let names = rows.map(|row| row.name).join(" and ");
        format!("{names}, {}: {}", setup.config.cell, failed.message().unwrap_or("failed")).into()
    };
    outcome.map(|_| ()).map_err(said)
}

/// Exactly so many pairs, so that none more is refused in silence; each as a setting, or as an argument that
/// the engine refuses too.
fn refused_together(engine: &Engine) -> Outcome {
    let all = (0..OPTIONS.len()).flat_map(|one| (one + 1..OPTIONS.len()).map(move |other| (one, other)));
    let mut refused = Vec::new();
    for (one, other) in all {
        let rows = rows(one, other);
        if !cells(&rows).is_empty() {
            continue;
        }
        let names = rows.map(|row| row.name).join(" and ");
        for cell in Cell::ALL {
            let setup = with(cell, &rows);
            match setup.refusal() {
                Some(Error::Setting { .. }) => {}
                Some(expected @ Error::Argument { .. }) => {
                    let case = setup.drawn(0);
                    let call = Call::new(&case.input).outputs(setup.outputs);
                    match Rnn::new(engine, case.weights.clone()).call(&call) {
                        Err(error) if error.to_string() == expected.to_string() => {}
                        other => {
                            let found = other.map(|output| output.engine);
                            return Err(format!("{names}: expected {expected}, found {found:?}").into());
                        }
                    }
                }
                other => {
                    let text =
                        format!("{names}: expected Error::Setting or Error::Argument, found {other:?}");
                    return Err(text.into());
                }
            }
        }
        refused.push(names);
    }
    if refused.len() == REFUSED {
        return Ok(());
    }
    Err(format!("{} pairs are refused, expected {REFUSED}: {}", refused.len(), refused.join("; ")).into())
}
