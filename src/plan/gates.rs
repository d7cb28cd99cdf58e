//! The buffers of gates: of the input's products, kept, or made again.

use super::buffers::BufferId;
use super::builder::Builder;
use super::weights::columns;
use super::{FOUR, product};
use crate::Result;

/// One buffer for all, or, of a saved call, one of each layer, direction and segment that has gates of its
/// own. Behind the steps of a segment stands the neighbouring segment's first one on the way back.
pub(super) fn input_gates(builder: &mut Builder<'_>) -> Result<Vec<BufferId>> {
    let (network, workload) = (builder.network, builder.workload);
    let batch = workload.batch as u64;
    let (together, apart) = match builder.cut.shares_gates {
        true => (network.direction_count() as u64, 1),
        false => (1, network.direction_count()),
    };
    if !workload.keeps_gates() {
        let columns = network.slots.iter().map(|slot| columns(slot, false)).max().unwrap_or(0);
        let gates = product(&[builder.cut.segments[0].steps, batch, FOUR, together, columns]);
        return Ok(vec![builder.buffers.work("input gates", gates, workload.dtype)?]);
    }
    let mut all = Vec::new();
    for slots in network.layers() {
        for slot in &slots[..apart] {
            let row = product(&[batch, FOUR, together, columns(slot, true)]);
            let holder =
                if apart == 1 { format!("layer {}", slot.layer) } else { format!("slot {}", slot.index) };
            let dtype = workload.dtype;
            all.extend(builder.by_segment(&format!("{holder} gates"), |buffers, name, steps| {
                buffers.saved(name, product(&[steps + 1, row]), dtype)
            })?);
        }
    }
    Ok(all)
}

/// Bytes of all gates and recurrent products that a saved call keeps, or leaves out.
pub(super) fn bytes(builder: &Builder<'_>) -> u64 {
    let (network, batch) = (builder.network, builder.workload.batch as u64);
    let mut bytes: u64 = 0;
    for slot in &network.slots {
        let recurrent = if slot.cell.layer_norm { slot.hidden_size as u64 } else { 0 };
        for segment in &builder.cut.segments {
            let row = product(&[FOUR, columns(slot, true).saturating_add(recurrent)]);
            let numbers = product(&[segment.steps + 1, batch, row]);
            bytes = bytes.saturating_add(product(&[numbers, builder.workload.dtype.bytes()]));
        }
    }
    bytes
}

/// The gates, and the recurrent products, that the way back of a saved call makes again: one buffer, or two for
/// segments in turn.
pub(super) fn gates_again(builder: &mut Builder<'_>) -> Result<[Vec<BufferId>; 2]> {
    let (network, workload) = (builder.network, builder.workload);
    if !workload.is_saved() || workload.keeps_gates() {
        return Ok(Default::default());
    }
    let together = if builder.cut.shares_gates { network.direction_count() as u64 } else { 1 };
    let columns = network.slots.iter().map(|slot| columns(slot, true)).max().unwrap_or(0);
    let steps = builder.cut.segments[0].steps + 1;
    let mut all: [Vec<BufferId>; 2] = Default::default();
    for index in 0..builder.cut.segments.len().min(2) {
        let len = product(&[steps, workload.batch as u64, FOUR, together, columns]);
        all[0].push(builder.buffers.work(&format!("gates again {index}"), len, workload.dtype)?);
        let normed = network.slots.iter().filter(|slot| slot.cell.layer_norm);
        if let Some(units) = normed.map(|slot| slot.hidden_size as u64).max() {
            let len = product(&[steps, workload.batch as u64, FOUR, units]);
            all[1].push(builder.buffers.work(
                &format!("recurrent gates again {index}"),
                len,
                workload.dtype,
            )?);
        }
    }
    Ok(all)
}
