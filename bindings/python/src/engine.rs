//! The engines of the process: one for each name, which all networks share.

use crate::error::{self, argument};
use crate::process;
use pyo3::prelude::*;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use wgpu_rnn::Engine;

/// The engine of a name: `auto`, `gpu`, `cpu`, `reference`, or `gpu:` and a part of an adapter's name.
pub fn engine(py: Python<'_>, name: &str) -> PyResult<Engine> {
    static KNOWN: OnceLock<Mutex<HashMap<String, Engine>>> = OnceLock::new();
    process::check()?;
    py.detach(|| {
        let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = known.get(name).filter(|engine| !engine.is_lost()) {
            return Ok(engine.clone());
        }
        let engine = match name.split_once(':') {
            None if name == "auto" => Ok(Engine::auto()),
            None if name == "gpu" => Engine::gpu(),
            None if name == "cpu" => Ok(Engine::cpu()),
            None if name == "reference" => Ok(Engine::reference()),
            Some(("gpu", part)) if !part.is_empty() => Engine::builder().adapter_name(part).build(),
            _ => {
                return Err(argument(
                    "device",
                    "auto, gpu, gpu:ADAPTER, cpu or reference",
                    format!("{name:?}"),
                ));
            }
        };
        let engine = engine.map_err(error::of)?;
        known.insert(name.to_owned(), engine.clone());
        Ok(engine)
    })
}

/// The adapter, or the CPU, that a device's name stands for.
#[pyfunction]
#[pyo3(signature = (device="auto"))]
pub fn engine_name(py: Python<'_>, device: &str) -> PyResult<String> {
    Ok(engine(py, device)?.name().to_owned())
}
