//! What crosses between host and GPU, and where it lies in the staging buffers.

use super::{Builder, Slot, padded, product};
use crate::Result;
use crate::plan::{BufferId, Content, Payload, Transfer};

impl Builder<'_> {
    /// Brings input, lengths and initial states in, and the results out.
    pub(super) fn transfers(&mut self, input: &[BufferId], slots: &[Slot]) -> Result<()> {
        let depth = padded(self.config.input_size);
        let mut up = Staging::new("upload", Content::Upload);
        let mut down = Staging::new("download", Content::Download);
        for (&segment, &buffer) in self.segments.clone().iter().zip(input) {
            let len = product(&[segment.steps, self.batch, depth]);
            up.place(self, Payload::Input(segment), [buffer; 2], 0, len);
        }
        if let Some(lengths) = self.lengths {
            up.place(self, Payload::Lengths, [lengths; 2], 0, self.batch);
        }
        let directions = self.config.directions.count();
        for slot in slots {
            let is_last = slot.layer + 1 == self.config.num_layers;
            let asked = is_last || self.config.outputs.every_layer;
            let row = product(&[self.batch, padded(slot.config.state_size)]);
            for (side, index) in (0..slot.count as u64).zip(slot.index..) {
                let stands_alone = !self.config.merge.is_elementwise() || index % directions == 0;
                for (number, &buffer) in slot.output.iter().enumerate() {
                    let segment = self.segments[number];
                    let first = side * slot.side_output[number];
                    let output = if slot.keeps { product(&[segment.steps, row]) } else { 0 };
                    if slot.keeps && asked && stands_alone {
                        down.place(self, Payload::Output(index, segment), [buffer; 2], first, output);
                    }
                    if slot.keeps_cells {
                        let cells = product(&[segment.steps, self.batch, slot.config.hidden_size as u64]);
                        let what = Payload::CellStates(index, segment);
                        down.place(self, what, [buffer; 2], first + output, cells);
                    }
                }
            }
        }
        for slot in slots {
            for (side, index) in (0..slot.count as u64).zip(slot.index..) {
                let what = Payload::Hidden { slot: index };
                let len = product(&[self.batch, padded(slot.config.state_size)]);
                up.place(self, what, [slot.hidden[0]; 2], side * len, len);
                down.place(self, what, slot.hidden, side * len, len);
                let what = Payload::Cell { slot: index };
                let len = product(&[self.batch, slot.config.cell_state_size() as u64]);
                if len > 0 {
                    up.place(self, what, [slot.cell_state; 2], side * len, len);
                    down.place(self, what, [slot.cell_state; 2], side * len, len);
                }
            }
        }
        self.plan.uploads = up.finish(self)?;
        self.plan.downloads = down.finish(self)?;
        Ok(())
    }
}

/// Payloads side by side in as few staging buffers as their limit allows.
struct Staging {
    name: &'static str,
    content: Content,
    transfers: Vec<Transfer>,
    /// Bytes of each buffer.
    sizes: Vec<u64>,
}

impl Staging {
    fn new(name: &'static str, content: Content) -> Staging {
        Staging { name, content, transfers: Vec::new(), sizes: Vec::new() }
    }

    fn place(
        &mut self,
        builder: &Builder<'_>,
        what: Payload,
        buffer: [BufferId; 2],
        buffer_offset: u64,
        len: u64,
    ) {
        let dtype = builder.plan.buffers[buffer[0].0].dtype;
        let bytes = len.saturating_mul(dtype.bytes()).div_ceil(4).saturating_mul(4);
        let fits = |&used: &u64| used.saturating_add(bytes) <= builder.limits.max_buffer_bytes;
        if !self.sizes.last().is_some_and(fits) {
            self.sizes.push(0);
        }
        let index = self.sizes.len() - 1;
        // The buffers are made at the end, and numbered until then.
        let (staging, staging_offset) = (BufferId(index), self.sizes[index]);
        self.transfers.push(Transfer { what, staging, staging_offset, buffer, buffer_offset, len, dtype });
        self.sizes[index] = self.sizes[index].saturating_add(bytes);
    }

    fn finish(self, builder: &mut Builder<'_>) -> Result<Vec<Transfer>> {
        let one = self.sizes.len() == 1;
        let mut buffers = Vec::new();
        for (index, &size) in self.sizes.iter().enumerate() {
            let name = if one { self.name.to_owned() } else { format!("{} {index}", self.name) };
            buffers.push(builder.buffer(&name, self.content, size / 4)?);
        }
        let place = |transfer: Transfer| Transfer { staging: buffers[transfer.staging.0], ..transfer };
        Ok(self.transfers.into_iter().map(place).collect())
    }
}
