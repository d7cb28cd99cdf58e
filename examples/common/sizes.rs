//! The network of a file that does not tell its sizes.

use std::str::FromStr;
use wgpu_rnn::{Cell, Config};

/// A cell and sizes as text: `lstm:100:20:2:both`.
#[derive(Clone, Debug)]
pub struct Sizes(pub Config);

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Sizes, String> {
        let refuse = || "expected CELL:H:I[:L][:both][:proj=P], as lstm:100:20:2:both".to_owned();
        let size = |text: Option<&str>| text.and_then(|text| text.parse::<usize>().ok()).ok_or_else(refuse);
        let mut parts = text.split(':');
        let cell: Cell = parts.next().unwrap_or_default().parse().map_err(|_| refuse())?;
        let (hidden_size, input_size) = (size(parts.next())?, size(parts.next())?);
        let mut config = Config::new(cell, hidden_size).input_size(input_size);
        for part in parts {
            config = match part.strip_prefix("proj=") {
                Some(proj_size) => config.proj_size(size(Some(proj_size))?),
                None if part == "both" => config.bidirectional(),
                None => config.num_layers(size(Some(part))?),
            };
        }
        Ok(Sizes(config))
    }
}
