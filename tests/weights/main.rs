//! Initialisers, files, and the sentences that say what is wrong with them.

mod files;
mod init;
mod metadata;
mod reader;
mod refused;
mod states;

use wgpu_rnn::{Cell, Config, Directions, Error};

fn every_config() -> impl Iterator<Item = Config> {
    Cell::ALL.into_iter().flat_map(|cell| {
        [(1, Directions::Forward, true), (3, Directions::Both, true), (2, Directions::Both, false)].map(
            |(layers, directions, bias)| {
                let config = Config::new(cell, 13).num_layers(layers).directions(directions).input_size(7);
                if bias { config } else { config.without_bias() }
            },
        )
    })
}

#[track_caller]
fn says<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
    assert_eq!(result.unwrap_err().to_string(), expected);
}
