//! Invariants of ARCHITECTURE.md that can be read off the source.

use std::path::Path;

fn source(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Every file of a folder and of those in it, if there is such a folder.
fn add_all(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            add_all(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// What a network is, its numbers, its plan, the CPU engine and the reference know no GPU.
#[test]
fn only_the_engine_and_its_gpu_know_wgpu() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut read = 0;
    for name in [
        "activation",
        "cache",
        "call",
        "cell",
        "config",
        "reference",
        "cpu",
        "file",
        "memory",
        "options",
        "plan",
        "kernel",
        "state",
        "tuner",
        "weights",
    ] {
        let mut files = vec![root.join(format!("{name}.rs"))];
        add_all(&root.join(name), &mut files);
        for file in files {
            let text = source(&file);
            for word in ["wgpu::", "crate::gpu", "Engine"] {
                // Doc examples may show the whole library at work.
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                assert!(!code.into_iter().any(|line| line.contains(word)), "{} names {word}", file.display());
            }
            read += 1;
        }
    }
    assert!(read >= 32, "{read} files read");
}
