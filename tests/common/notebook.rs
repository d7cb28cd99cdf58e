//! The notebook, drawn and computed by us, against everything that MXNet drew and computed.

#[path = "../../examples/notebook/networks.rs"]
mod networks;

use crate::common::{MXNET, difference, golden, rank3};
use wgpu_rnn::{Engine, Naming, Schedule};

pub fn check(engine: &Engine, schedule: Option<Schedule>) -> Result<(), String> {
    // Only a GPU has schedules.
    let schedule = schedule.filter(|_| engine.is_gpu());
    let mut compared = 0;
    for network in networks::run(engine, schedule).map_err(|error| error.to_string())? {
        let weights = network.rnn.weights().ok_or("weights are not drawn")?;
        for call in &network.calls {
            let (_, theirs) = golden(&format!("notebook/{}.safetensors", call.fixture));
            let single = |key: &str| theirs.get(key).map(|tensor| tensor.mapv(|number| number as f32));
            let same = |key: &str, ours: Option<ndarray::ArrayViewD<'_, f32>>| {
                if ours.map(|ours| ours.to_owned()) == single(key) {
                    return Ok(());
                }
                Err(format!("{} ({}): {key} is not drawn as MXNet does", call.title, call.fixture))
            };
            same("input", Some(call.input.view().into_dyn()))?;
            same("state_h0", call.state.as_ref().map(|state| state.h.view().into_dyn()))?;
            same(
                "state_c0",
                call.state.as_ref().and_then(|state| Some(state.c.as_ref()?.view().into_dyn())),
            )?;
            for (name, tensor) in weights.tensors(Naming::Gluon) {
                same(&format!("param.{name}"), Some(tensor))?;
            }
            let answer = &call.answer;
            let results = [
                ("output", Some(&answer.output)),
                ("state_h", Some(&answer.h_n)),
                ("state_c", answer.c_n.as_ref()),
            ];
            for (key, ours) in results {
                match (ours, single(key).map(rank3)) {
                    (Some(ours), Some(theirs)) => difference(key, ours, &theirs, MXNET)
                        .map_err(|error| format!("{}: {error}", call.fixture))?,
                    (None, None) => {}
                    _ => return Err(format!("{}: {key}: one has it, the other has not", call.fixture)),
                }
            }
            compared += 1;
        }
    }
    if compared == 12 { Ok(()) } else { Err(format!("{compared} calls, expected 12")) }
}
