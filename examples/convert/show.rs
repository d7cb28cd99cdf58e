//! The contents of a file, for people.

use crate::ending::Failure;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use wgpu_rnn::file::{Inspection, NetworkInfo, quote};
use wgpu_rnn::{Cell, Config, Directions, Layout};

/// Writes the kind of the file, its arrays and its networks.
pub fn show(inspection: &Inspection, path: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let Inspection { dialect, arrays, networks, .. } = inspection;
    writeln!(out, "{}: {dialect}, {}", path.display(), count(arrays.len(), "array"))?;
    for array in arrays {
        writeln!(out, "  {} {} {:?}", plain(&array.name), array.dtype, array.shape)?;
    }
    if networks.is_empty() {
        writeln!(out, "no recurrent network")?;
    }
    for info in networks {
        show_network(info, networks.len(), path, out)?;
    }
    Ok(())
}

fn show_network(info: &NetworkInfo, count: usize, path: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let name = if info.name.is_empty() { "at the root".to_owned() } else { plain(&info.name) };
    match &info.config {
        Some(config) => {
            let text = network(config, !info.needs_activation);
            writeln!(out, "network {name}: {text}, {} parameters", info.parameters)?;
        }
        None => writeln!(out, "network {name}")?,
    }
    for (setting, word) in &info.stated {
        let value = info.settings.get(setting).map(String::as_str).unwrap_or_default();
        writeln!(out, "  {setting} {value}, by {word}")?;
    }
    for note in &info.notes {
        writeln!(out, "  {note}")?;
    }
    if let Some(fault) = &info.fault {
        writeln!(out, "  {fault}")?;
        if fault.starts_with("config:") {
            writeln!(
                out,
                "  --sizes CELL:H:I[:L][:both][:proj=P] tells them, as --sizes lstm:100:20:2:both"
            )?;
        }
        return Ok(());
    }
    writeln!(out, "  {}", infer_line(info, count, path))?;
    if info.needs_activation {
        writeln!(out, "  the file does not tell the activation: PyTorch's default is tanh, Gluon's relu")?;
    }
    Ok(())
}

/// The command that runs a network of a file with so many.
fn infer_line(info: &NetworkInfo, count: usize, path: &Path) -> String {
    let mut line = format!("infer --weights {}", shell(&path.display().to_string()));
    if count > 1 {
        // A name may begin as an option does.
        let link = if info.name.starts_with('-') { '=' } else { ' ' };
        line += &format!(" --prefix{link}{}", shell(&info.name));
    }
    if info.needs_activation {
        line += " --activation tanh";
    }
    if info.last_only {
        line += " --last-only";
    }
    line + " --input X.safetensors --output Y.safetensors"
}

/// The same as JSON; each network that can be run has its command.
pub fn json(inspection: &Inspection, path: &Path) -> serde_json::Result<String> {
    let mut all = serde_json::to_value(inspection)?;
    let networks = all["networks"].as_array_mut().into_iter().flatten();
    for (network, info) in networks.zip(&inspection.networks) {
        if info.fault.is_none() {
            network["infer"] = infer_line(info, inspection.networks.len(), path).into();
        }
    }
    serde_json::to_string_pretty(&all)
}

/// Cell, layers, directions, sizes and biases.
pub fn network(config: &Config, knows_activation: bool) -> String {
    let layer = |cell: &Cell, size: &usize| match cell {
        Cell::Vanilla(_) if !knows_activation => format!("rnn {size}"),
        _ => format!("{cell} {size}"),
    };
    let layers: Vec<String> = match config.stack.as_slice() {
        [] => vec![layer(&config.cell, &config.hidden_size)],
        stack => stack.iter().map(|(cell, size)| layer(cell, size)).collect(),
    };
    let mut text = format!("{}, ", layers.join(" + "));
    // Writing to a text does not fail.
    let _ = write!(text, "{} layer{}", config.num_layers, if config.num_layers == 1 { "" } else { "s" });
    text += match config.directions {
        Directions::Both => ", bidirectional",
        Directions::Reverse => ", reverse",
        Directions::Forward => "",
    };
    let _ = write!(text, ", input {}", config.input_size);
    if config.proj_size > 0 {
        let _ = write!(text, ", projection {}", config.proj_size);
    }
    text += if config.bias { "" } else { ", without biases" };
    text + if config.layout == Layout::Ntc { ", batch first: [N, T, I]" } else { "" }
}

/// A name, in quotes if its letters are not all plain.
fn plain(name: &str) -> String {
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic());
    if is_plain && name.len() <= 80 { name.to_owned() } else { quote(name) }
}

/// A word for a shell.
fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
