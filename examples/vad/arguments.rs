//! The command line. Names and defaults are those of the function `get_speech_timestamps` of silero-vad.

use crate::choices::Device;
use clap::Parser;
use std::path::PathBuf;

/// Find the speech in a recording, with the network of Silero.
///
/// Each line on standard output is a stretch of speech: its start and end, in seconds. Speed goes to standard
/// error.
#[derive(Parser)]
#[command(version, args_override_self = true)]
pub struct Arguments {
    /// The recording: a WAV file of any rate and any number of channels
    #[arg(value_name = "WAV")]
    pub wav: PathBuf,

    /// The network: silero_vad.jit or silero_vad_16k.safetensors of the package silero-vad, which
    /// `examples/fetch.py` fetches
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,

    /// The engine of the LSTM; auto takes a GPU, or the CPU if there is none but a software adapter
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,

    /// Speech begins where its probability is as high as this
    #[arg(long, value_name = "P", default_value_t = 0.5, value_parser = probability)]
    pub threshold: f64,

    /// Speech may end where its probability is below this [default: threshold - 0.15, and at least 0.01]
    #[arg(long, value_name = "P", value_parser = probability)]
    pub neg_threshold: Option<f64>,

    /// Speech that is not longer than this is left out
    #[arg(long, value_name = "MS", default_value_t = 250.0, value_parser = duration)]
    pub min_speech_duration_ms: f64,

    /// Speech that is longer than this is cut, in its longest silence if it has one
    #[arg(long, value_name = "S", default_value_t = f64::INFINITY, value_parser = duration)]
    pub max_speech_duration_s: f64,

    /// A silence shorter than this does not end speech
    #[arg(long, value_name = "MS", default_value_t = 100.0, value_parser = duration)]
    pub min_silence_duration_ms: f64,

    /// Sound that is added before and after speech
    #[arg(long, value_name = "MS", default_value_t = 30.0, value_parser = duration)]
    pub speech_pad_ms: f64,

    /// A silence longer than this is one that --max-speech-duration-s may cut in
    #[arg(long, value_name = "MS", default_value_t = 98.0, value_parser = duration)]
    pub min_silence_at_max_speech: f64,

    /// Write one JSON object: the stretches in seconds and in samples at 16 kHz, and every probability
    #[arg(long)]
    pub json: bool,

    /// The probability over time, with speech shaded, as FILE.png and FILE.svg
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(probability) if (0.0..=1.0).contains(&probability) => Ok(probability),
        _ => Err("expected a probability from 0 to 1".into()),
    }
}

fn duration(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(duration) if duration >= 0.0 => Ok(duration),
        _ => Err("expected a duration of 0 or more".into()),
    }
}
