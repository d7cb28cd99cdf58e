//! The command line of the examples that learn to tell sequences apart.

use crate::choices::Cell;
use clap::Args;
use std::path::{Path, PathBuf};
use wgpu_rnn::{Config, Dropout};

#[derive(Args)]
pub struct Settings {
    /// The cell
    #[arg(long, value_enum, default_value_t = Cell::Lstm)]
    pub cell: Cell,

    /// Layers
    #[arg(long, value_name = "L", default_value_t = 2)]
    pub layers: usize,

    /// Units of each layer and direction
    #[arg(long, value_name = "H", default_value_t = 64)]
    pub hidden: usize,

    /// The probability that a number between two layers is dropped
    #[arg(long, value_name = "P", default_value_t = 0.3)]
    pub dropout: f32,

    /// The seed of weights, order and dropout
    #[arg(long, default_value_t = 0)]
    pub seed: u64,

    /// Times that all sequences are learnt from
    #[arg(long, default_value_t = 60)]
    pub epochs: u64,

    /// Sequences of a batch, of each process
    #[arg(long, value_name = "N", default_value_t = 27)]
    pub batch: usize,

    /// The learning rate of AdamW
    #[arg(long, value_name = "RATE", default_value_t = 2e-3)]
    pub learning_rate: f64,

    /// Sequences of one's own: safetensors with `x` [N, T, I], `length` [N] and `label` [N]
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// The part of --data that is held back for the test
    #[arg(long, value_name = "PART", default_value_t = 0.2, requires = "data")]
    pub held_back: f64,

    /// The file for the weights, which `infer` and PyTorch read
    #[arg(long, value_name = "FILE", default_value = "trained.safetensors")]
    pub save: PathBuf,

    /// The losses of this run's batches, as CSV
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// The file that the run can go on from; written after every epoch
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,

    /// Write --checkpoint after so many batches as well
    #[arg(long, value_name = "BATCHES", requires = "checkpoint")]
    pub checkpoint_every: Option<usize>,

    /// Go on from --checkpoint, if the file is there; the result has the bits of a run that was never stopped
    #[arg(long, requires = "checkpoint")]
    pub resume: bool,
}

/// A flag, and the file that it names.
pub type File<'a> = (&'static str, Option<&'a Path>);

/// The place of a file, however it is spelled.
fn place(file: &Path) -> Option<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    file.canonicalize()
        .or_else(|_| {
            Ok::<_, std::io::Error>(folder.canonicalize()?.join(file.file_name().unwrap_or_default()))
        })
        .ok()
}

impl Settings {
    pub fn config(&self, input_size: usize) -> Config {
        self.cell.config(self.hidden).num_layers(self.layers).bidirectional().input_size(input_size)
    }

    /// None where nothing is dropped: there is nothing between layers if there is one.
    pub fn dropout(&self) -> Option<Dropout> {
        let drops = self.dropout != 0.0 && self.layers > 1;
        drops.then(|| Dropout::new(self.dropout).seed(self.seed))
    }

    /// Refuses settings that would fail after the training, or would not be noticed. Other files are told
    /// with their flags.
    pub fn check(&self, written: &[File<'_>], read: &[File<'_>]) -> Result<(), String> {
        if self.batch == 0 {
            return Err("--batch: expected at least 1, found 0".into());
        }
        if self.checkpoint_every == Some(0) {
            return Err("--checkpoint-every: expected at least 1, found 0".into());
        }
        if !(0.0..=1.0).contains(&self.dropout) {
            return Err(format!("--dropout: expected a probability from 0 to 1, found {}", self.dropout));
        }
        let own = [
            ("--save", Some(&*self.save)),
            ("--log", self.log.as_deref()),
            ("--checkpoint", self.checkpoint.as_deref()),
        ];
        let files = |files: &[File<'_>]| {
            files.iter().filter_map(|&(flag, file)| Some((flag.to_owned(), file?.to_owned()))).collect()
        };
        let mut written: Vec<(String, PathBuf)> = files(&[&own, written].concat());
        for (flag, file) in &written {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                return Err(format!(
                    "{flag}: expected a file in a folder, found no folder {}",
                    folder.display()
                ));
            }
            if file.exists() && !file.is_file() {
                return Err(format!("{flag}: expected a regular file, found {}", file.display()));
            }
        }
        let mut others: Vec<(String, PathBuf)> = files(&[&[("--data", self.data.as_deref())], read].concat());
        while let Some((flag, file)) = written.pop() {
            let same = |(_, other): &&(String, PathBuf)| place(other) == place(&file);
            if let Some((other, _)) = others.iter().find(same) {
                return Err(format!("{flag}: expected another file than {other}, found the same"));
            }
            others.push((flag, file));
        }
        Ok(())
    }
}
