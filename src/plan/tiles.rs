//! The choice of a tile: the tile that the tuning asks for, or the one with the least estimated time.

use super::cost::{self, Shape};
use super::{Limits, Tuning};
use crate::kernel::{Kernel, Read, Tile};
use crate::network::Dtype;
use crate::{Error, Result};

/// The tile of a product.
pub(super) fn tile(kernel: Kernel, shape: &Shape, tuning: &Tuning, limits: &Limits) -> Result<Tile> {
    let (name, asked) = match kernel {
        Kernel::Gemm | Kernel::GemmInF32 => ("gemm tile", tuning.gemm),
        // K is in parts on the way back alone, and weights stay in registers on the way forward alone.
        Kernel::Back { .. } => ("step tile", tuning.step.filter(|tile| tile.read != Read::Kept)),
        _ => ("step tile", tuning.step.map(Tile::whole)),
    };
    let usable = usable(kernel, shape.dtype, limits);
    match asked {
        Some(asked) if !usable.contains(&asked) => {
            let names: Vec<_> = usable.iter().map(Tile::to_string).collect();
            let expected = format!("{} on this adapter", names.join(", "));
            Err(Error::Unsupported { name, expected, found: asked.to_string() })
        }
        Some(asked) => Ok(asked),
        None => Ok(best(kernel, &usable, shape, limits)),
    }
}

/// The tiles that this adapter can have.
pub(super) fn usable(kernel: Kernel, dtype: Dtype, limits: &Limits) -> Vec<Tile> {
    let has = |tile: &Tile| match tile.read {
        Read::Shared => limits.subgroup_size >= 8,
        Read::Cooperative => limits.cooperative && tile.reads(dtype),
        Read::Each
        | Read::Unrolled
        | Read::Kept
        | Read::Split
        | Read::SplitWide
        | Read::Workgroup
        | Read::Parts(_) => {
            tile.invocations() <= limits.workgroup_size
                && tile.workgroup_bytes(kernel.gates()) <= limits.workgroup_bytes
        }
    };
    kernel.tiles().filter(has).collect()
}

/// The tile with the least estimated time; the first of equals.
pub(super) fn best(kernel: Kernel, usable: &[Tile], shape: &Shape, limits: &Limits) -> Tile {
    let suitable = || usable.iter().copied().filter(|tile| tile.suits(limits.machine.is_software));
    let seconds = |tile: &Tile| cost::seconds(kernel, *tile, shape, limits);
    let first = suitable().next().or(usable.first().copied()).unwrap_or(Tile::ALL[0]);
    suitable().fold(first, |best, tile| if seconds(&tile) < seconds(&best) { tile } else { best })
}
