//! Invariants of ARCHITECTURE.md that can be read off the source: every file of `src/`, parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// Files and folders of `src/` that may name wgpu, and why.
const KNOW_WGPU: [(&str, &str); 8] = [
    ("gpu", "the GPU engine"),
    ("engine", "an engine is made of an adapter, or of a caller's device"),
    ("encoded_saved", "a saved call is recorded into a caller's encoder, and its backward pass"),
    ("interop", "arrays in a caller's buffers"),
    ("rnn", "an encoded call is recorded into a caller's encoder"),
    ("blocking", "the blocking form of an encoded call"),
    ("lib", "the hidden `inspect` gives a network's packed buffers"),
    ("call", "lengths that are on the GPU already: one field"),
];

/// Modules that a module must not use: the reference judges the engines and shares nothing with them, and a
/// network is data.
const APART: [(&str, &[&str]); 6] = [
    ("reference", &["cpu", "gpu", "kernel", "plan", "engine", "rnn"]),
    ("cpu", &["reference", "gpu", "plan"]),
    ("gpu", &["reference", "cpu"]),
    ("kernel", &["reference", "cpu", "gpu", "plan", "engine"]),
    ("plan", &["reference", "cpu", "gpu", "engine", "rnn"]),
    ("network", &["reference", "cpu", "gpu", "kernel", "plan", "engine", "rnn"]),
];

/// Lines of a file of `src/`.
const MAX_LINES: usize = 400;

/// A path that code names: its segments, from `crate` or an extern crate on.
type Named = Vec<String>;

struct Source {
    /// The file, from `src/` on.
    file: String,
    /// The modules that it is in: `["gpu", "interop"]`.
    module: Vec<String>,
    text: String,
    named: BTreeSet<Named>,
    strings: Vec<String>,
}

impl Source {
    /// The module right below the crate.
    fn top(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
}

/// Collects the paths and strings of a file, in `use` trees, in code and in macros.
#[derive(Default)]
struct Reader {
    module: Vec<String>,
    named: BTreeSet<Named>,
    strings: Vec<String>,
}

impl Reader {
    /// Enters a path, relative to the module that the reader is in.
    fn enter(&mut self, mut path: Vec<String>) {
        let mut base = Vec::new();
        match path.first().map(String::as_str) {
            Some("self") => {
                base.clone_from(&self.module);
                path.remove(0);
            }
            Some("super") => {
                base.clone_from(&self.module);
                while path.first().is_some_and(|first| first == "super") {
                    base.pop();
                    path.remove(0);
                }
            }
            Some("crate") => {
                path.remove(0);
            }
            _ => {
                self.named.insert(path);
                return;
            }
        }
        let whole = ["crate".to_owned()].into_iter().chain(base).chain(path);
        self.named.insert(whole.collect());
    }

    fn tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => self.enter(prefix.to_vec()),
            syn::UseTree::Name(name) => self.enter(with(&name.ident)),
            syn::UseTree::Rename(rename) => self.enter(with(&rename.ident)),
            syn::UseTree::Glob(_) => self.enter(prefix.to_vec()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(prefix, item)),
        }
    }

    /// A macro's tokens: every `a::b` in them, and every string.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        use proc_macro2::TokenTree;
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 && !path.is_empty() {
                        self.enter(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => self.strings.push(literal.to_string()),
                TokenTree::Punct(_) => {}
            }
            if !path.is_empty() {
                self.enter(std::mem::take(&mut path));
            }
            colons = 0;
        }
        if !path.is_empty() {
            self.enter(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // A module within the file; unit tests may use all of the library.
        if item.content.is_some() && !is_test(item) {
            self.module.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.enter(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, of: &'ast syn::Macro) {
        self.tokens(of.tokens.clone());
        visit::visit_macro(self, of);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.strings.push(text.value());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        // Documentation may show the whole library at work.
        if !attribute.path().is_ident("doc") {
            visit::visit_attribute(self, attribute);
        }
    }
}

fn is_test(item: &syn::ItemMod) -> bool {
    let is_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|of| of.is_ident("test"))
    };
    item.attrs.iter().any(is_test)
}

fn add_all(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            add_all(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    add_all(&root, &mut files);
    files.sort();
    assert!(files.len() > 60, "{} files of src/", files.len());
    let source = |path: &PathBuf| {
        let name = path.strip_prefix(&root).expect("below src/");
        let text = std::fs::read_to_string(path).expect("a text");
        let mut module: Vec<String> =
            name.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        module.retain(|part| part != "mod" && part != "lib");
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", name.display()));
        let mut reader = Reader { module: module.clone(), ..Reader::default() };
        reader.visit_file(&parsed);
        let Reader { named, strings, .. } = reader;
        Source { file: name.to_string_lossy().into_owned(), module, text, named, strings }
    };
    files.iter().map(source).collect()
}

/// The module right below the crate that a path of the crate leads to: where lib.rs takes it from, if it is
/// in lib.rs.
fn top_of<'a>(named: &'a Named, re_exports: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let [first, second, ..] = named.as_slice() else { return None };
    (first == "crate").then(|| re_exports.get(second).unwrap_or(second).as_str())
}

/// The names that lib.rs gives out, and the module of each.
fn re_exports(sources: &[Source]) -> BTreeMap<String, String> {
    let lib = sources.iter().find(|source| source.file == "lib.rs").expect("a lib.rs");
    let parsed = syn::parse_file(&lib.text).expect("lib.rs");
    let mut names = BTreeMap::new();
    for item in &parsed.items {
        let syn::Item::Use(item) = item else { continue };
        let mut reader = Reader::default();
        reader.tree(&[], &item.tree);
        for path in reader.named {
            let [module, .., name] = path.as_slice() else { continue };
            names.insert(name.clone(), module.clone());
        }
    }
    assert!(names.len() > 30, "{} names of lib.rs", names.len());
    names
}

/// Every module of `src/`, and the ones that it uses, with the files that do.
fn uses(sources: &[Source]) -> BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> {
    let re_exports = Box::leak(Box::new(re_exports(sources)));
    let mut uses: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.file != "lib.rs") {
        let of_module = uses.entry(source.top()).or_default();
        for used in source.named.iter().filter_map(|named| top_of(named, re_exports)) {
            if used != source.top() {
                of_module.entry(used).or_default().insert(&source.file);
            }
        }
    }
    uses
}

#[test]
fn only_those_on_the_list_know_wgpu() {
    let sources = sources();
    let mut found = BTreeSet::new();
    for source in &sources {
        if source.named.iter().any(|named| named.first().is_some_and(|first| first == "wgpu")) {
            let (file, top) = (&source.file, source.top());
            assert!(
                KNOW_WGPU.iter().any(|(name, _)| *name == top),
                "src/{file} names wgpu, and is not on the list"
            );
            found.insert(top);
        }
    }
    for (name, _) in KNOW_WGPU {
        assert!(found.contains(name), "{name} is on the list, and does not name wgpu");
    }
    // One field of a call and what hands it on.
    let call = sources.iter().filter(|source| source.top() == "call");
    let lines = call.flat_map(|source| source.text.lines());
    let lines = lines.filter(|line| line.contains("wgpu::") && !line.trim_start().starts_with("//"));
    let other: Vec<_> =
        lines.filter(|line| !line.contains("lengths_on_gpu") && !line.contains("&wgpu::Buffer")).collect();
    assert!(other.is_empty(), "call names more of wgpu than the lengths: {other:?}");
}

#[test]
fn modules_keep_apart() {
    let sources = sources();
    let uses = uses(&sources);
    for (module, others) in APART {
        for other in others {
            let files = uses[module].get(other);
            assert!(files.is_none(), "{module} uses {other}: {files:?}");
        }
    }
    assert!(uses["reference"].contains_key("network"), "no use is found");
}

/// The uses that lead back to where they come from.
fn circles(uses: &BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>>) -> Vec<String> {
    let reaches = |from: &str| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(module) = waiting.pop() {
            for &next in uses.get(module.as_str()).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(next.to_owned()) {
                    waiting.push(next.to_owned());
                }
            }
        }
        seen
    };
    let all: BTreeMap<&str, BTreeSet<String>> =
        uses.keys().map(|&module| (module, reaches(module))).collect();
    let mut circles = Vec::new();
    for (one, used) in uses {
        for (other, files) in used {
            if all.get(other).is_some_and(|reached| reached.contains(*one)) {
                circles.push(format!("{one} uses {other} ({files:?}), which leads back to {one}"));
            }
        }
    }
    circles
}

#[test]
fn no_circle_of_imports() {
    let sources = sources();
    let circles = circles(&uses(&sources));
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn no_file_is_long() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= MAX_LINES, "src/{} has {lines} lines, and may have {MAX_LINES}", source.file);
    }
}

#[test]
fn wgsl_lives_in_files() {
    for source in sources() {
        for text in &source.strings {
            let is_wgsl = ["@compute", "var<storage", "var<workgroup", "@group("]
                .iter()
                .any(|word| text.contains(word));
            assert!(!is_wgsl, "src/{} has WGSL in a string: {text}", source.file);
        }
    }
}

/// The segments of every path in an expression.
#[derive(Default)]
struct Words(BTreeSet<String>);

impl Visit<'_> for Words {
    fn visit_path(&mut self, path: &syn::Path) {
        self.0.extend(path.segments.iter().map(|segment| segment.ident.to_string()));
        visit::visit_path(self, path);
    }
}

/// A variant that its `ALL` forgets is a cell, an equation or a schedule that no test runs.
#[test]
fn every_variant_stands_in_all() {
    let mut tables = 0;
    for source in sources() {
        let items = syn::parse_file(&source.text).expect("parsed before").items;
        let mut all = BTreeMap::new();
        for item in &items {
            let syn::Item::Impl(item) = item else { continue };
            let syn::Type::Path(of) = &*item.self_ty else { continue };
            let Some(of) = of.path.get_ident() else { continue };
            for item in &item.items {
                if let syn::ImplItem::Const(table) = item
                    && table.ident == "ALL"
                {
                    let mut words = Words::default();
                    words.visit_expr(&table.expr);
                    all.insert(of, words.0);
                }
            }
        }
        for item in &items {
            let syn::Item::Enum(item) = item else { continue };
            let Some(words) = all.get(&item.ident) else { continue };
            tables += 1;
            for variant in &item.variants {
                let name = variant.ident.to_string();
                assert!(words.contains(&name), "src/{}: {}::ALL lacks {name}", source.file, item.ident);
            }
        }
    }
    assert!(tables >= 3, "{tables} enums with an ALL");
}
