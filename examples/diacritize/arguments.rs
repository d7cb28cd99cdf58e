//! The command line.

use crate::choices::{Device, at_least};
use clap::Parser;
use std::path::PathBuf;

/// Give Arabic text its vowel marks, with the network of arabic-diacritizer.
///
/// Texts are arguments, or lines of standard input. Each gets a line on standard output. Speed goes to
/// standard error.
#[derive(Parser)]
#[command(version, args_override_self = true)]
pub struct Arguments {
    /// Texts; without any, lines of standard input
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,

    /// bilstm_best.pt of the package arabic-diacritizer, which `examples/fetch.py` fetches
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,

    /// The engine of the LSTM; auto takes a GPU, or the CPU if there is none but a software adapter
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,

    /// Texts that are computed in one call
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least(1))]
    pub batch: usize,

    /// Write a JSON object per text: the text with marks, the tag of each character, and the characters
    #[arg(long)]
    pub json: bool,
}
