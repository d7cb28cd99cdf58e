//! Saved calls into a caller's encoder: every option, both savings, the numbers of the host's calls to the bit.

use crate::common::gradients::Given;
use crate::common::options::{OPTIONS, Row, cells, with};
use crate::common::{Case, case};
use crate::encoded::{self, CONTIGUOUS, Lie};
use crate::engines::{Offer, Outcome, Trials, own_device};
use wgpu_rnn::{Config, Dropout, Dtype, Engine, Rnn, Save};

pub fn add(trials: &mut Trials) {
    let rows = OPTIONS.iter().filter(|row| row.name != "small_bindings");
    for (index, row) in rows.enumerate() {
        for offer in [Offer::All, Offer::WebGpuDefaults] {
            trials.add(offer, &format!("encoded::{}", row.name), move |engine| option(engine, row, index));
        }
    }
    for offer in [Offer::All, Offer::WebGpuDefaults] {
        trials.add(offer, "encoded::arrays_lie_anywhere", anywhere);
        trials.add(offer, "encoded::dropout", dropout);
        trials.add(offer, "encoded::larger_than_a_binding", larger_than_a_binding);
    }
}

/// The host's calls of a case, and then the encoded ones.
fn check(
    engine: &Engine,
    rnn: &Rnn,
    case: &Case,
    (lie, save): (Lie, Save),
    dropout: Option<Dropout>,
) -> Outcome {
    let call = case.call();
    let call = if let Some(dropout) = dropout { call.dropout(dropout) } else { call };
    let (host, mut saved) = rnn.forward_saving(&call, save)?;
    let given = Given::drawn(&host, 7);
    let gradients = rnn.backward(&mut saved, &given.gradients())?;
    encoded::saved_equals((engine, rnn), case, (lie, save), &given, (&host, &gradients), dropout)
}

fn option(engine: &Engine, row: &'static Row, index: usize) -> Outcome {
    let with_lengths = OPTIONS.iter().find(|row| row.name == "lengths").ok_or("no such row")?;
    for cell in cells(&[row]) {
        let mut rows = vec![row];
        // Every other cell with lengths too.
        if cell.gates() > 1 && row.name != "lengths" {
            rows.push(with_lengths);
        }
        let setup = with(cell, &rows);
        let has_f16 = engine.limits().is_some_and(|limits| limits.f16);
        if setup.refusal().is_some() || setup.has_nan || (setup.dtype == Dtype::F16 && !has_f16) {
            continue;
        }
        let case = setup.drawn(index as u32);
        let rnn = Rnn::new(engine, case.weights.clone()).with_dtype(setup.dtype)?;
        for save in Save::ALL {
            check(engine, &rnn, &case, (CONTIGUOUS, save), None)
                .map_err(|failed| format!("{cell}, {}, {save:?}: {failed:?}", row.name))?;
        }
    }
    Ok(())
}

fn network(seed: u32) -> Case {
    let mut case = case(&Config::lstm(13).bidirectional().num_layers(2).input_size(7), 5, 3, seed);
    case.lengths = Some(vec![5, 0, 3]);
    case
}

/// Offsets, gaps between rows, and halves.
fn anywhere(engine: &Engine) -> Outcome {
    let case = network(51);
    let rnn = Rnn::new(engine, case.weights.clone());
    let has_f16 = engine.limits().is_some_and(|limits| limits.f16);
    for dtype in [Dtype::F32, Dtype::F16] {
        for (offset, gap) in [(0, 0), (4, 0), (260, 1), (1020, 9)] {
            if dtype == Dtype::F32 || has_f16 {
                let lie = Lie { offset, gap, dtype };
                check(engine, &rnn, &case, (lie, Save::Gates), None)
                    .map_err(|failed| format!("{lie:?}: {failed:?}"))?;
            }
        }
    }
    Ok(())
}

fn dropout(engine: &Engine) -> Outcome {
    let case = network(52);
    let rnn = Rnn::new(engine, case.weights.clone());
    let dropout = Dropout::new(0.4).seed(3).call(9);
    check(engine, &rnn, &case, (CONTIGUOUS, Save::Gates), Some(dropout))
}

/// Arrays that a kernel cannot see as a whole, the flat gradients among them, are carried in parts.
fn larger_than_a_binding(_: &Engine) -> Outcome {
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 16 << 10, ..Default::default() };
    let (device, queue) = own_device(limits, wgpu::Features::empty())?;
    let engine = Engine::from_device(device, queue);
    for layout in [wgpu_rnn::Layout::Tnc, wgpu_rnn::Layout::Ntc] {
        let config = Config::gru(9).num_layers(4).bidirectional().layout(layout).input_size(7);
        let case = case(&config, 100, 9, 45);
        let rnn = Rnn::new(&engine, case.weights.clone());
        check(&engine, &rnn, &case, (Lie { offset: 20, gap: 2, ..CONTIGUOUS }, Save::Gates), None)?;
    }
    Ok(())
}
