//! Text from files, as it may stand in one line on a terminal.

/// Characters of a name that a line shows.
const NAME: usize = 80;

/// Characters of a message that a line shows.
const MESSAGE: usize = 240;

/// Axes of a shape that a line shows.
const AXES: usize = 8;

/// A name from a file in quotes: control characters are escaped, and a long name is cut.
///
/// ```
/// use wgpu_rnn::file::quote;
///
/// assert_eq!(quote("a\nb\u{1b}[2J"), r#""a\nb\u{1b}[2J""#);
/// assert!(quote(&"x".repeat(3_000_000)).len() < 120);
/// ```
pub fn quote(text: &str) -> String {
    match text.char_indices().nth(NAME) {
        Some((end, _)) => format!("{:?}... ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}

/// Another crate's message, which may hold text from a file: as [`quote`], without the quotes.
pub(crate) fn message(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars().take(MESSAGE) {
        // Quotes are printable as they are.
        if matches!(c, '"' | '\'' | '\\') { line.push(c) } else { line.extend(c.escape_debug()) }
    }
    if text.chars().nth(MESSAGE).is_some() { line + "..." } else { line }
}

/// A shape, whose first axes are shown.
pub(crate) fn shape(shape: &[usize]) -> String {
    match shape.get(..AXES) {
        Some(first) if shape.len() > AXES => {
            let first: Vec<String> = first.iter().map(usize::to_string).collect();
            format!("[{}, ...] ({} axes)", first.join(", "), shape.len())
        }
        _ => format!("{shape:?}"),
    }
}
