//! "Stacked Bi-directional LSTMs in Gluon", computed by WGSL shaders and held against what MXNet printed.
//!
//!     cargo run --release --example notebook

mod networks;

use ndarray::{Array2, Array3, ArrayD, Axis, Slice, s};
use networks::{Call, Network};
use serde::Deserialize;
use std::{io::IsTerminal, process::ExitCode};
use wgpu_rnn::{Engine, Naming, Output, Result, Rnn, State, Weights};

/// MXNet computed in f32 and printed eight digits; exact arithmetic on the same weights is off by up to 3.2e-8.
const TOLERANCE: f64 = 5e-8;

/// What the notebook shows of MXNet's results.
#[derive(Deserialize)]
struct Notebook {
    tables: Vec<Table>,
    scalars: Vec<Scalar>,
}

#[derive(Deserialize)]
struct Table {
    cell: u32,
    code: String,
    fixture: String,
    key: String,
    /// Start and stop for each axis.
    slice: Vec<(usize, usize)>,
    rows: Vec<Vec<String>>,
    rows_total: usize,
}

/// A shape or a length.
#[derive(Deserialize)]
struct Scalar {
    cell: u32,
    code: String,
    printed: String,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match show(&Engine::auto()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Shows everything; whether all of it is as it should be.
fn show(engine: &Engine) -> Result<bool> {
    println!("Computed on {}.", engine.name());
    let networks = networks::run(engine)?;
    let notebook: Notebook =
        serde_json::from_str(include_str!("../../tests/golden/notebook/notebook_printed.json"))
            .expect("the committed file is whole");
    let find = |fixture: &str| {
        let calls = networks.iter().flat_map(|network| network.calls.iter().map(move |call| (network, call)));
        calls.into_iter().find(|(_, call)| call.fixture == fixture)
    };

    let mut report = Report { good: true, worst: 0.0, numbers: 0, colour: std::io::stdout().is_terminal() };
    let mut scalars = notebook.scalars.iter().peekable();
    let mut title = "";
    for table in &notebook.tables {
        // The committed file names calls that `networks::run` makes.
        let (network, call) = find(&table.fixture).expect("a call of the notebook");
        if call.title != title {
            title = call.title;
            let config = network.rnn.config();
            let what = format!(
                "== {title}: {}, H {}, L {} ==",
                config.cell.name(),
                config.hidden_size,
                config.num_layers
            );
            println!("\n{}", report.paint("1", &what));
        }
        // Shapes come before the table that they belong to; the last network's all do.
        while let Some(scalar) = scalars.next_if(|scalar| scalar.cell < table.cell) {
            report.scalar(scalar, call);
        }
        report.table(table, call);
        let ends =
            !notebook.tables.iter().any(|later| later.fixture == table.fixture && later.cell > table.cell);
        if ends && call.state.is_some() {
            report.identities(engine, network, call)?;
        }
    }
    println!(
        "\n{} numbers compared; the largest difference from what MXNet printed is {:.2e} ({} {TOLERANCE:e}).",
        report.numbers,
        report.worst,
        if report.worst <= TOLERANCE { "within" } else { "over" },
    );
    Ok(report.good)
}

struct Report {
    good: bool,
    worst: f64,
    numbers: usize,
    colour: bool,
}

impl Report {
    /// A shape or length, and what MXNet printed for it.
    fn scalar(&mut self, scalar: &Scalar, call: &Call) {
        let states = [Some(&call.answer.h_n), call.answer.c_n.as_ref()];
        let ours = match scalar.code.as_str() {
            "outputs.shape" => format!("{:?}", call.answer.output.dim()),
            "len(hid_states)" => states.iter().flatten().count().to_string(),
            "hid_states[0].shape" => format!("{:?}", call.answer.h_n.dim()),
            _ => format!("{:?}", states[1].map_or((0, 0, 0), |c| c.dim())),
        };
        let verdict = self.verdict(ours == scalar.printed, &format!("MXNet printed {}", scalar.printed));
        println!("In[{}]: {} = {ours}   {verdict}", scalar.cell, scalar.code);
    }

    /// The slice that the notebook prints, and its largest difference from that.
    fn table(&mut self, table: &Table, call: &Call) {
        let ours = slice(table, call);
        let mut worst = 0.0_f64;
        println!("In[{}]: {}", table.cell, table.code);
        for (ours, printed) in ours.rows().into_iter().zip(&table.rows) {
            let row: Vec<String> = ours.iter().map(|number| format!("{number:11.8}")).collect();
            println!("    [{}]", row.join(" "));
            for (&ours, printed) in ours.iter().zip(printed) {
                // A text that is no number would compare as NaN, and fail.
                let difference = (f64::from(ours) - printed.parse().unwrap_or(f64::NAN)).abs();
                worst = if difference <= worst { worst } else { difference };
                self.numbers += 1;
            }
        }
        if table.rows.len() < table.rows_total {
            println!("    ... ({} of {} rows, as in the notebook)", table.rows.len(), table.rows_total);
        }
        self.worst = if worst <= self.worst { self.worst } else { worst };
        let verdict = self.verdict(worst <= TOLERANCE, &format!("largest difference from MXNet {worst:.2e}"));
        println!("    {verdict}");
    }

    /// What the notebook points out: a direction's last step, in its own order, is its final state, and states are ordered by
    /// layer, forward first.
    fn identities(&mut self, engine: &Engine, network: &Network, call: &Call) -> Result<()> {
        let config = network.rnn.config();
        let (directions, hidden) = (config.directions.count(), config.hidden_size);
        let ends = |report: &mut Report, answer: &Output, layer: usize| {
            let (output, h_n) = (&answer.output, &answer.h_n);
            let top = h_n.dim().0 - directions;
            let name = format!("L{layer}");
            let forward = output.slice(s![-1, .., ..hidden]) == h_n.index_axis(Axis(0), top);
            let text = format!("the last step of {name}'s forward half is its forward final state");
            println!("{}", report.verdict(forward, &text));
            if directions == 2 {
                let reverse = output.slice(s![0, .., hidden..]) == h_n.index_axis(Axis(0), top + 1);
                let text = format!("the first step of {name}'s reverse half is its reverse final state");
                println!("{}", report.verdict(reverse, &text));
            }
        };
        ends(self, &call.answer, config.num_layers);
        if config.num_layers == 2 {
            // The lower layer by itself has the first states, and its output tells which is which.
            let lower = lower_layer(engine, network, call)?;
            ends(self, &lower, 1);
            let first = call.answer.h_n.slice(s![..directions, .., ..]) == lower.h_n;
            let order = ["L1 forward, L2 forward", "L1 forward, L1 reverse, L2 forward, L2 reverse"];
            let text = format!("states are ordered {}", order[directions - 1]);
            println!("{}", self.verdict(first, &text));
        }
        Ok(())
    }

    fn verdict(&mut self, good: bool, text: &str) -> String {
        self.good &= good;
        let (code, mark) = if good { ("32", "ok") } else { ("31", "NO") };
        format!("{} {text}", self.paint(code, mark))
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The first of two layers, called alone.
fn lower_layer(engine: &Engine, network: &Network, call: &Call) -> Result<Output> {
    // The network has been called, so its weights are drawn.
    let weights = network.rnn.weights().expect("weights are drawn");
    let lower = weights.tensors(Naming::Gluon).filter(|(name, _)| name[1..].starts_with('0'));
    let lower = lower.map(|(name, tensor)| (name, tensor.to_owned()));
    let lower = Weights::from_tensors(lower, weights.config().cell.activation())?;
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
