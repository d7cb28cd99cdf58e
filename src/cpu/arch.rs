//! The vectors of the CPU engine.

use pulp::Arch;

/// The variable that caps the numbers in a vector.
const LANES: &str = "WGPU_RNN_LANES";

/// The widest vectors that this machine has, or those that the variable allows.
pub fn arch() -> Arch {
    // A module with vectors is refused where there are none: where this runs, they are there.
    #[cfg(target_arch = "wasm32")]
    pulp::wasm::enable_simd128();
    match std::env::var(LANES) {
        Ok(most) => capped(&most).unwrap_or_else(|| {
            log::warn!("{LANES}: expected 1, or 8 or 16 where the machine has such vectors, found {most:?}");
            Arch::new()
        }),
        Err(_) => Arch::new(),
    }
}

fn capped(most: &str) -> Option<Arch> {
    match most {
        "1" => Some(Arch::Scalar),
        #[cfg(target_arch = "x86_64")]
        "8" => pulp::x86::V3::try_new().map(Arch::V3),
        #[cfg(all(target_arch = "x86_64", feature = "avx512"))]
        "16" => pulp::x86::V4::try_new().map(Arch::V4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::packed_weight::lanes;

    #[test]
    fn the_variable_caps_the_lanes() {
        assert_eq!(capped("1").map(lanes), Some(1));
        // The others are only there where the machine has them.
        for most in [8, 16] {
            let found = capped(&most.to_string()).map(lanes);
            assert!(found.is_none_or(|found| found == most), "{most}: {found:?}");
        }
        assert_eq!(capped("12").map(lanes), None);
    }
}
