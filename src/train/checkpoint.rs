//! Files that training goes on from.

use crate::quote::{message, quote};
use crate::weights::{self, TensorName, format, is_beside};
use crate::{Config, Error, Naming, Result, Weights, io};
use ndarray::ArrayD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The metadata's keys.
const FORMAT: &str = "format";
const VERSION: &str = "version";
const NETWORK: &str = "network";
const STATE: &str = "state";
const TENSORS: &str = "tensors";
const CHECKSUM: &str = "checksum";

/// The value of [`FORMAT`].
const NAME: &str = "wgpu-rnn checkpoint";

/// The version that is written, and the newest that is read.
const NEWEST: u64 = 1;

/// The first bytes of every checkpoint, after the header's length.
const SIGNATURE: &[u8] = br#"{"__metadata__":{"#;

/// The header's checksum before it is known.
const BLANK: &str = "00000000";

/// The whole state of a training run: parameters, the arrays of an optimiser, and the rest as JSON.
///
/// A checkpoint is a safetensors file of f32, and a file of weights too: [`Weights::load`] and PyTorch read
/// the parameters, which have PyTorch's names. Its metadata have a format's name and version, the settings of
/// the network, the JSON, and the CRC-32 of the header and of each tensor. So a file that was cut or changed
/// anywhere is refused.
///
/// ```
/// use ndarray::ArrayD;
/// use serde_json::json;
/// use wgpu_rnn::train::Checkpoint;
/// use wgpu_rnn::{Config, Init, Weights};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("run.safetensors");
/// let config = Config::gru(8).input_size(3);
/// let weights = Weights::init(&config, &Init::pytorch())?;
/// let mut checkpoint = Checkpoint::new(&weights, json!({ "step": 7 }));
/// checkpoint.tensors.insert("head.weight".into(), ArrayD::zeros(&[2, 8][..]));
/// checkpoint.save(&path)?;
///
/// let read = Checkpoint::open(&path)?;
/// assert_eq!(read.state["step"], 7);
/// assert_eq!(read.weights(&config)?, weights);
/// assert_eq!(Weights::load(&path)?, weights);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Arrays by name. The network's parameters have PyTorch's names (`weight_ih_l0`). Names of other arrays
    /// begin with `head.` (`head.weight`), `optimizer.` (`optimizer.exp_avg.weight_ih_l0`) or `carried.`, the
    /// states of truncated sequences.
    pub tensors: BTreeMap<String, ArrayD<f32>>,
    /// Settings and counters, such as step, schedule, generator and [`Loader::state`](super::Loader::state).
    /// Finite numbers are read as they were written; JSON has no others.
    pub state: Value,
    /// The metadata of the network.
    network: BTreeMap<String, String>,
    /// The file that it was read from.
    pub(super) path: Option<PathBuf>,
}

/// Two checkpoints are equal wherever they lie.
impl PartialEq for Checkpoint {
    fn eq(&self, other: &Checkpoint) -> bool {
        let Checkpoint { tensors, state, network, path: _ } = self;
        (tensors, state, network) == (&other.tensors, &other.state, &other.network)
    }
}

impl Checkpoint {
    /// A checkpoint with the parameters of a network. Other arrays are for the caller to add.
    pub fn new(weights: &Weights, state: Value) -> Checkpoint {
        let tensors = weights.tensors(Naming::PyTorch).map(|(name, tensor)| (name, tensor.to_owned()));
        let entries = weights::entries(weights.config()).into_iter();
        let mut network: BTreeMap<String, String> =
            entries.map(|(key, value)| (key.to_owned(), value)).collect();
        network.insert(NETWORK.into(), json(&weights::settings(weights.config())));
        Checkpoint { tensors: tensors.collect(), state, network, path: None }
    }

    /// The parameters, of a network that has to be the checkpoint's.
    ///
    /// # Errors
    /// [`Error::OtherNetwork`] for a network with another setting, and the errors of
    /// [`Reader::from_tensors`](crate::Reader::from_tensors).
    pub fn weights(&self, config: &Config) -> Result<Weights> {
        let kept = self.network.get(NETWORK).and_then(|text| serde_json::from_str(text).ok());
        let kept: BTreeMap<String, String> = kept.unwrap_or_default();
        for (name, expected) in weights::settings(config) {
            let found = kept.get(name).map_or("none".into(), |text| message(text));
            if found != expected {
                return Err(Error::OtherNetwork { name: name.into(), expected, found });
            }
        }
        let parameters = self.tensors.iter().filter(|(name, _)| !is_beside(name));
        let parameters = parameters.map(|(name, tensor)| (name.clone(), tensor.clone()));
        Weights::reader().config(config).from_tensors(parameters)
    }

    /// Writes the file, beside first and then into its place. Whatever happens, the path has the old file as
    /// it was, or the new one as a whole.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be written, [`Error::UnknownTensor`] for a name that a
    /// checkpoint cannot have, [`Error::Format`] for arrays that the format cannot hold.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        io::replace(path, &self.to_bytes()?)
    }

    /// The contents of the file.
    ///
    /// # Errors
    /// The errors of [`save`](Checkpoint::save) but for those of files.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let is_known = |name: &str| is_beside(name) || TensorName::parse(name).is_some();
        if let Some(name) = self.tensors.keys().find(|name| !is_known(name)) {
            return Err(Error::UnknownTensor { name: name.clone() });
        }
        let sums = self.tensors.iter().map(|(name, tensor)| (name.as_str(), checksum_of(tensor)));
        let sums: BTreeMap<&str, String> = sums.collect();
        let network = self.network.iter().map(|(key, value)| (key.as_str(), value.clone()));
        let mut metadata: BTreeMap<&str, String> = network.collect();
        metadata.extend([
            (FORMAT, NAME.to_owned()),
            (VERSION, NEWEST.to_string()),
            (STATE, self.state.to_string()),
            (TENSORS, json(&sums)),
            (CHECKSUM, BLANK.to_owned()),
        ]);
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.view()));
        let mut bytes = format::serialize(tensors, &metadata)?;
        let header = format::Safetensors::parse(bytes.as_slice())?.header().to_vec();
        if let Some(place) = place_of_checksum(&header) {
            bytes[place..place + BLANK.len()].copy_from_slice(checksum(&header).as_bytes());
        }
        Ok(bytes)
    }

    /// Reads a file that [`save`](Checkpoint::save) has written.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a file that was cut or changed, [`Error::NewerCheckpoint`] for one of a newer
    /// version, [`Error::NotCheckpoint`] for a file of another kind, [`Error::File`] for a file that cannot
    /// be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint> {
        let path = path.as_ref();
        let checkpoint = Checkpoint::read(path, io::read(path)?)?;
        Ok(Checkpoint { path: Some(path.to_owned()), ..checkpoint })
    }

    /// Reads the contents of such a file.
    ///
    /// # Errors
    /// The errors of [`open`](Checkpoint::open) but for [`Error::File`]. Their path is `checkpoint`.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Checkpoint> {
        Checkpoint::read(Path::new("checkpoint"), bytes)
    }

    fn read(path: &Path, bytes: Vec<u8>) -> Result<Checkpoint> {
        let damaged = |part: String, expected: String, found: String| Error::Damaged {
            path: path.to_owned(),
            part,
            expected,
            found,
        };
        let other = |found| Error::NotCheckpoint { path: path.to_owned(), found };
        check_whole(&bytes, damaged, other)?;
        let file = format::Safetensors::parse(bytes)
            .map_err(|error| damaged("file".into(), "a whole safetensors file".into(), error.to_string()))?;
        let metadata = file.metadata();
        if metadata.get(FORMAT) != Some(&NAME) {
            return Err(other("another safetensors file"));
        }
        let entry = |key: &str| {
            let missing = || damaged(format!("metadata {key}"), "an entry".into(), "none".into());
            metadata.get(key).copied().ok_or_else(missing)
        };
        let unreadable = |key: &str, text: &str| {
            damaged(format!("metadata {key}"), "as it was written".into(), quote(text))
        };
        let version = entry(VERSION)?;
        let found = version.parse().map_err(|_| unreadable(VERSION, version))?;
        if found > NEWEST {
            return Err(Error::NewerCheckpoint { path: path.to_owned(), expected: NEWEST, found });
        }
        check_sum("header", &checksum_of_header(file.header()), entry(CHECKSUM)?, damaged)?;
        let sums = entry(TENSORS)?;
        let sums: BTreeMap<String, String> =
            serde_json::from_str(sums).map_err(|_| unreadable(TENSORS, sums))?;
        for name in file.names() {
            let kept = sums.get(name).map_or("none", String::as_str);
            // The name is one of the file's.
            let found = checksum(file.numbers(name).unwrap_or_default());
            check_sum(&format!("tensor {}", quote(name)), &found, kept, damaged)?;
        }
        let state = entry(STATE)?;
        let state = serde_json::from_str(state).map_err(|_| unreadable(STATE, state))?;
        let own = [FORMAT, VERSION, STATE, TENSORS, CHECKSUM];
        let network = metadata.iter().filter(|(key, _)| !own.contains(key));
        let network = network.map(|(&key, &value)| (key.to_owned(), value.to_owned())).collect();
        let tensors = file.all_f32().map_err(io::in_file(path))?;
        Ok(Checkpoint { tensors, state, network, path: None })
    }
}

/// Checks the begin of a file: the header's length, and as many bytes.
fn check_whole(
    bytes: &[u8],
    damaged: impl Fn(String, String, String) -> Error,
    other: impl Fn(&'static str) -> Error,
) -> Result<()> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        let found = format!("{} bytes", bytes.len());
        return Err(damaged("length of the header".into(), "8 bytes".into(), found));
    };
    if !rest.starts_with(SIGNATURE) && !SIGNATURE.starts_with(rest) {
        return Err(other("a file that begins otherwise"));
    }
    let length = u64::from_le_bytes(*length);
    if length > rest.len() as u64 {
        let (expected, found) = (format!("{length} bytes"), format!("{} bytes", rest.len()));
        return Err(damaged("header".into(), expected, found));
    }
    Ok(())
}

fn check_sum(
    part: &str,
    found: &str,
    kept: &str,
    damaged: impl Fn(String, String, String) -> Error,
) -> Result<()> {
    if found == kept {
        return Ok(());
    }
    Err(damaged(part.into(), format!("checksum {}", message(kept)), format!("checksum {found}")))
}

/// CRC-32 in hexadecimal digits.
fn checksum(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}

fn checksum_of(tensor: &ArrayD<f32>) -> String {
    let bytes: Vec<u8> = tensor.iter().flat_map(|number| number.to_le_bytes()).collect();
    checksum(&bytes)
}

/// The checksum of a header whose own checksum is blank.
fn checksum_of_header(header: &[u8]) -> String {
    let mut header = header.to_vec();
    if let Some(digits) =
        place_of_checksum(&header).and_then(|place| header.get_mut(place..place + BLANK.len()))
    {
        digits.copy_from_slice(BLANK.as_bytes());
    }
    checksum(&header)
}

/// The place of the header's checksum. No other text of JSON looks the same, since quotes within are escaped.
fn place_of_checksum(header: &[u8]) -> Option<usize> {
    let key = format!("\"{CHECKSUM}\":\"");
    let place = header.windows(key.len()).position(|window| window == key.as_bytes())?;
    Some(place + key.len())
}

fn json(map: &BTreeMap<&str, String>) -> String {
    let map = map.iter().map(|(&key, value)| (key.to_owned(), Value::from(value.as_str())));
    Value::Object(map.collect()).to_string()
}
