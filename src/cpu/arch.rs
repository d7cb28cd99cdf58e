//! The vectors of the CPU engine.

#[cfg(not(target_arch = "wasm32"))]
pub use pulp::Arch;
#[cfg(target_arch = "wasm32")]
pub use wasm::{Arch, arch};

/// The variable that caps the numbers in a vector.
#[cfg(not(target_arch = "wasm32"))]
const LANES: &str = "WGPU_RNN_LANES";

/// The widest vectors that this machine has, or those that the variable allows.
#[cfg(not(target_arch = "wasm32"))]
pub fn arch() -> Arch {
    match std::env::var(LANES) {
        Ok(most) => capped(&most).unwrap_or_else(|| {
            log::warn!("{LANES}: expected 1, or 8 or 16 where the machine has such vectors, found {most:?}");
            Arch::new()
        }),
        Err(_) => Arch::new(),
    }
}

#[cfg(not(target_arch = "wasm32"))]
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

#[cfg(target_arch = "wasm32")]
mod wasm {
    use pulp::wasm::Simd128;
    use pulp::{Simd, WithSimd};

    /// Vectors of four: a module with vectors is refused where there are none, and so has no other way.
    #[derive(Clone, Copy, Debug)]
    pub struct Arch(Simd128);

    impl Arch {
        #[inline(always)]
        pub fn dispatch<Op: WithSimd>(self, op: Op) -> Op::Output {
            Simd::vectorize(self.0, op)
        }
    }

    pub fn arch() -> Arch {
        pulp::wasm::enable_simd128();
        Arch(Simd128::try_new().expect("enabled above"))
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
