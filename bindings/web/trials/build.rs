//! The native stack of a thread, for trials that are deep.

fn main() {
    println!("cargo:rustc-link-arg-bins=-zstack-size=8388608");
}
