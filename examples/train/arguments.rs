//! The command line.

use crate::choices::Device;
use crate::settings::Settings;
use clap::Parser;
use std::path::PathBuf;

/// Train a stacked, bidirectional RNN, LSTM or GRU to tell sequences apart.
///
/// Without --data, the sequences are recordings of nine speakers (Japanese Vowels, UCI), and the network
/// learns to recognise the speaker. Progress goes to standard error; the last line on standard output is the
/// accuracy on the test sequences after the last epoch. Ctrl-C writes --save and --checkpoint.
#[derive(Parser)]
#[command(version, args_override_self = true)]
pub struct Arguments {
    #[command(flatten)]
    pub settings: Settings,

    /// The engine; auto takes a GPU, or the CPU if there is none but a software adapter
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,

    /// Weights to begin with, of a network of the same sizes; the head begins anew
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub from: Option<PathBuf>,

    /// The network that is meant in --from, of a file with several
    #[arg(long, value_name = "NAME", requires = "from")]
    pub from_prefix: Option<String>,

    /// The curves of loss and accuracy, as FILE.png and FILE.svg
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}
