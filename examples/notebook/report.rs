//! The numbers that the notebook shows, beside those that are computed here.

use crate::ending::Failure;
use crate::networks::{Call, Network};
use ndarray::{Array2, Array3, ArrayD, Axis, Slice, s};
use serde::Deserialize;
use std::io::{self, Write};
use wgpu_rnn::{Engine, Naming, Output, Result, Rnn, State, Weights};

/// MXNet computed in f32 and printed eight digits; exact arithmetic on the same weights is off by up to
/// 3.2e-8.
pub const TOLERANCE: f64 = 5e-8;

/// MXNet's results, as the notebook shows them.
#[derive(Deserialize)]
pub struct Notebook {
    pub tables: Vec<Table>,
    pub scalars: Vec<Scalar>,
}

#[derive(Deserialize)]
pub struct Table {
    pub cell: u32,
    code: String,
    pub fixture: String,
    key: String,
    /// Start and stop for each axis.
    slice: Vec<(usize, usize)>,
    rows: Vec<Vec<String>>,
    rows_total: usize,
}

/// A shape or a length.
#[derive(Deserialize)]
pub struct Scalar {
    pub cell: u32,
    code: String,
    printed: String,
}

/// Writes the tables, and keeps whether all of them are right.
pub struct Report<'a> {
    pub out: &'a mut dyn Write,
    pub good: bool,
    /// The largest difference from a printed number.
    pub worst: f64,
    pub numbers: usize,
    pub colour: bool,
}

impl Report<'_> {
    /// A shape or length, and what MXNet printed for it.
    pub fn scalar(&mut self, scalar: &Scalar, call: &Call) -> io::Result<()> {
        let states = [Some(&call.answer.h_n), call.answer.c_n.as_ref()];
        let ours = match scalar.code.as_str() {
            "outputs.shape" => format!("{:?}", call.answer.output.dim()),
            "len(hid_states)" => states.iter().flatten().count().to_string(),
            "hid_states[0].shape" => format!("{:?}", call.answer.h_n.dim()),
            _ => format!("{:?}", states[1].map_or((0, 0, 0), |c| c.dim())),
        };
        let verdict = self.verdict(ours == scalar.printed, &format!("MXNet printed {}", scalar.printed));
        writeln!(self.out, "In[{}]: {} = {ours}   {verdict}", scalar.cell, scalar.code)
    }

    /// The slice that the notebook prints, and its largest difference from that.
    pub fn table(&mut self, table: &Table, call: &Call) -> io::Result<()> {
        let ours = slice(table, call);
        let mut worst = 0.0_f64;
        writeln!(self.out, "In[{}]: {}", table.cell, table.code)?;
        for (ours, printed) in ours.rows().into_iter().zip(&table.rows) {
            let row: Vec<String> = ours.iter().map(|number| format!("{number:11.8}")).collect();
            writeln!(self.out, "    [{}]", row.join(" "))?;
            for (&ours, printed) in ours.iter().zip(printed) {
                // A text that is no number would compare as NaN, and fail.
                let difference = (f64::from(ours) - printed.parse().unwrap_or(f64::NAN)).abs();
                worst = if difference <= worst { worst } else { difference };
                self.numbers += 1;
            }
        }
        if table.rows.len() < table.rows_total {
            writeln!(
                self.out,
                "    ... ({} of {} rows, as in the notebook)",
                table.rows.len(),
                table.rows_total
            )?;
        }
        self.worst = if worst <= self.worst { self.worst } else { worst };
        let verdict = self.verdict(worst <= TOLERANCE, &format!("largest difference from MXNet {worst:.2e}"));
        writeln!(self.out, "    {verdict}")
    }

    /// The identities that the notebook points out: a direction's last step, in its own order, is its final
    /// state, and states are ordered by layer, forward first.
    pub fn identities(&mut self, engine: &Engine, network: &Network, call: &Call) -> Result<(), Failure> {
        let config = network.rnn.config();
        let (directions, hidden) = (config.directions.count(), config.hidden_size);
        let ends = |report: &mut Self, answer: &Output, layer: usize| -> io::Result<()> {
            let (output, h_n) = (&answer.output, &answer.h_n);
            let top = h_n.dim().0 - directions;
            let name = format!("L{layer}");
            let forward = output.slice(s![-1, .., ..hidden]) == h_n.index_axis(Axis(0), top);
            let text = format!("the last step of {name}'s forward half is its forward final state");
            report.line(forward, &text)?;
            if directions == 2 {
                let reverse = output.slice(s![0, .., hidden..]) == h_n.index_axis(Axis(0), top + 1);
                let text = format!("the first step of {name}'s reverse half is its reverse final state");
                report.line(reverse, &text)?;
            }
            Ok(())
        };
        ends(self, &call.answer, config.num_layers)?;
        if config.num_layers == 2 {
            // The lower layer by itself has the first states, and its output tells which is which.
            let lower = lower_layer(engine, network, call)?;
            ends(self, &lower, 1)?;
            let first = call.answer.h_n.slice(s![..directions, .., ..]) == lower.h_n;
            let order = ["L1 forward, L2 forward", "L1 forward, L1 reverse, L2 forward, L2 reverse"];
            let text = format!("states are ordered {}", order[directions - 1]);
            self.line(first, &text)?;
        }
        Ok(())
    }

    fn line(&mut self, good: bool, text: &str) -> io::Result<()> {
        let verdict = self.verdict(good, text);
        writeln!(self.out, "{verdict}")
    }

    fn verdict(&mut self, good: bool, text: &str) -> String {
        self.good &= good;
        let (code, mark) = if good { ("32", "ok") } else { ("31", "NO") };
        format!("{} {text}", self.paint(code, mark))
    }

    pub fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The first of two layers, called alone.
fn lower_layer(engine: &Engine, network: &Network, call: &Call) -> Result<Output> {
    // The network has been called, so its weights are drawn.
    let weights = network.rnn.weights().expect("weights are drawn");
    let lower = weights.tensors(Naming::Gluon).filter(|(name, _)| name[1..].starts_with('0'));
    let lower = lower.map(|(name, tensor)| (name, tensor.to_owned()));
    let lower = Weights::reader().activation(weights.config().cell.activation()).from_tensors(lower)?;
    let slots = lower.config().slots();
    let first = |array: &Array3<f32>| array.slice(s![..slots, .., ..]).to_owned();
    let state = call.state.as_ref().map(|state| State { h: first(&state.h), c: state.c.as_ref().map(first) });
    Rnn::new(engine, lower).forward(&call.input, state.as_ref())
}

/// The part of an output or state that a table shows, its rows along the last axis.
fn slice(table: &Table, call: &Call) -> Array2<f32> {
    let tensor: ArrayD<f32> = match table.key.as_str() {
        "input" => call.input.clone().into_dyn(),
        "output" => call.answer.output.clone().into_dyn(),
        _ => call.answer.h_n.clone().into_dyn(),
    };
    let mut part = tensor.view();
    for (axis, &(start, stop)) in table.slice.iter().enumerate() {
        part.slice_axis_inplace(Axis(axis), Slice::from(start..stop));
    }
    let columns = part.shape()[part.ndim() - 1];
    part.as_standard_layout()
        .into_owned()
        .into_shape_with_order((part.len() / columns, columns))
        .expect("rows")
}
