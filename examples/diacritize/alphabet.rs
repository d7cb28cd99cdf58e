//! Letters and marks: the numbers that the network of arabic-diacritizer has for them.

use unicode_normalization::UnicodeNormalization;

/// The row of a character that has none of its own.
const UNKNOWN: usize = 1;

/// The row of the first character; the rows before are for padding, unknown, begin and end.
const FIRST: usize = 4;

/// Characters in the order of their rows.
const CHARACTERS: &str = "ءآأؤإئابةتثجحخدذرزسشصضطظعغـفقكلمنهوي .,،؛:؟!()-\"'\n";

const FATHA: char = '\u{064E}';
const DAMMA: char = '\u{064F}';
const KASRA: char = '\u{0650}';
const SUKUN: char = '\u{0652}';
const SHADDA: char = '\u{0651}';
const FATHATAN: char = '\u{064B}';
const DAMMATAN: char = '\u{064C}';
const KASRATAN: char = '\u{064D}';

/// The marks of each tag: none, one, or a shadda and one.
const TAGS: [&[char]; 15] = [
    &[],
    &[FATHA],
    &[DAMMA],
    &[KASRA],
    &[SUKUN],
    &[SHADDA],
    &[FATHATAN],
    &[DAMMATAN],
    &[KASRATAN],
    &[SHADDA, FATHA],
    &[SHADDA, DAMMA],
    &[SHADDA, KASRA],
    &[SHADDA, FATHATAN],
    &[SHADDA, DAMMATAN],
    &[SHADDA, KASRATAN],
];

/// Tags that a character may have.
pub const TAG_COUNT: usize = TAGS.len();

/// Rows of the embedding.
pub fn rows() -> usize {
    FIRST + CHARACTERS.chars().count()
}

/// The characters of a text in Unicode's compatible composed form (NFKC), without marks.
pub fn strip(text: &str) -> Vec<char> {
    let is_mark = |c: &char| TAGS.iter().any(|tag| tag.contains(c));
    text.nfkc().filter(|c| !is_mark(c)).collect()
}

/// The row of a character.
pub fn row(character: char) -> usize {
    CHARACTERS.chars().position(|known| known == character).map_or(UNKNOWN, |place| FIRST + place)
}

/// The text with the marks of each character's tag behind the character.
pub fn marked(characters: &[char], tags: &[usize]) -> String {
    let pairs = characters.iter().zip(tags);
    pairs.flat_map(|(character, &tag)| [&[*character], TAGS[tag]].concat()).nfkc().collect()
}
