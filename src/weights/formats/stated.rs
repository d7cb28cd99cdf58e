//! The options that a file states about a network, and the words in which it does.

use super::super::metadata::settings;
use super::Fault;
use crate::{Cell, Config, Error, Result};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A file's statements about a network beyond the names and shapes of its arrays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stated {
    /// Options as fields of a configuration, whose sizes are not looked at.
    pub options: Options,
    /// A cell for each layer. All networks of a file share them.
    pub cells: Option<Rc<[Cell]>>,
    /// A vanilla RNN's activation as text, since the file of another cell may hold anything there.
    pub activation: Option<Rc<str>>,
    /// The file's word for each setting that it states, by the setting's name.
    words: BTreeMap<&'static str, String>,
    /// The network gives its last output alone (Keras `return_sequences=False`).
    pub last_only: bool,
    /// Notes for the reader of the network: logged when it is read.
    pub notes: Vec<String>,
    /// The reason why this network of the file cannot be read.
    pub fault: Option<(Fault, String)>,
}

/// A configuration without a size.
#[derive(Clone, Debug)]
pub(crate) struct Options(pub Config);

impl Default for Options {
    fn default() -> Options {
        Options(Config::new(Cell::Lstm, 0))
    }
}

impl Stated {
    /// A network that is refused.
    pub fn refused(fault: Fault, reason: String) -> Stated {
        Stated { fault: Some((fault, reason)), ..Stated::default() }
    }

    /// States a setting, by its name in [`settings`] and the file's word for it.
    pub fn say(&mut self, setting: &'static str, word: impl Into<String>, set: impl FnOnce(&mut Config)) {
        set(&mut self.options.0);
        self.words.insert(setting, word.into());
    }

    /// States the cells of the layers.
    pub fn say_cells(&mut self, cells: Vec<Cell>, word: impl Into<String>) {
        self.cells = Some(cells.into());
        self.words.insert("cells", word.into());
    }

    /// The settings that the file states, and its words for them.
    pub fn words(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.words.iter().map(|(&setting, word)| (setting, word.as_str()))
    }

    /// Refuses a network that cannot be read.
    pub fn check_fault(&self) -> Result<()> {
        self.fault.as_ref().map_or(Ok(()), |(fault, reason)| Err(fault.says(reason.clone())))
    }

    /// Refuses a network that contradicts the file: `told` is the network as the file has it.
    pub fn check(&self, told: &Config, asked: &Config) -> Result<()> {
        let is_same = told.activates_as(asked);
        let (told, asked) = (settings(told), settings(asked));
        for (&name, word) in &self.words {
            let text = |of: &BTreeMap<&str, String>| of.get(name).cloned().unwrap_or_default();
            let (expected, found) = (text(&told), text(&asked));
            // Activations may be named that are the cells' own.
            if expected != found && !(name == "activations" && is_same) {
                let word = word.clone();
                return Err(Error::Contradiction { name, expected, word, found });
            }
        }
        Ok(())
    }
}
