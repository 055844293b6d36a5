//! Texts of the portal that a person reads on a terminal.

/// Longer than any label; the rest is cut off.
const LONGEST: usize = 200;

/// The portal's text as one line without control characters (an escape sequence would speak to the person's
/// terminal); `None` if nothing is left.
pub(super) fn for_a_person(text: &str) -> Option<String> {
    let line: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !turns_the_line(*c))
        .take(LONGEST)
        .collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Marks that change the direction of what follows, and so what a person believes to read.
fn turns_the_line(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_does_not_reach_the_terminal() {
        assert_eq!(for_a_person("E-Mail\u{1b}[2J\n\u{202e}x").as_deref(), Some("E-Mail[2J x"));
        assert_eq!(for_a_person("邮箱").as_deref(), Some("邮箱"));
        assert_eq!(for_a_person(" \u{7} "), None);
    }

    #[test]
    fn a_text_of_200_characters_is_whole_and_of_201_is_cut() {
        assert_eq!(for_a_person(&"é".repeat(200)), Some("é".repeat(200)));
        assert_eq!(for_a_person(&"é".repeat(201)), Some("é".repeat(200)));
    }
}
