//! Secrets that are looked for: in what the proxy shows, in what it keeps, in its memory.
//!
//! The same hunt serves `portunus check --leaks` and the tests. A secret is looked for as it is, and as it becomes when
//! somebody encodes it: in Base64 wherever it begins in a group of three, in hex, percent-escaped, and as the list of
//! numbers that `Debug` makes of bytes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use data_encoding::{HEXLOWER, HEXUPPER};
use memchr::memmem;

/// A shorter secret would be found by chance.
const SHORTEST: usize = 6;

/// Secrets, each under a name that may be shown.
#[derive(Clone, Default)]
pub struct Hunt(Vec<(String, Vec<Form>)>);

/// A secret that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Whose name it has.
    pub name: String,
    /// In which form.
    pub form: &'static str,
    /// At which byte.
    pub at: usize,
}

type Form = (&'static str, memmem::Finder<'static>);

impl Hunt {
    /// Looks for one secret more. One of less than six bytes is not looked for.
    pub fn add(&mut self, name: impl Into<String>, secret: &str) {
        if secret.len() >= SHORTEST {
            let finders = forms(secret)
                .into_iter()
                .map(|(form, text)| (form, memmem::Finder::new(text.as_bytes()).into_owned()));
            self.0.push((name.into(), finders.collect()));
        }
    }

    /// How many secrets are looked for.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every secret that is in the bytes, in every form, where it is first.
    pub fn hits(&self, bytes: &[u8]) -> Vec<Hit> {
        let found = self.0.iter().flat_map(|(name, forms)| {
            forms.iter().filter_map(|(form, finder)| {
                finder.find(bytes).map(|at| Hit { name: name.clone(), form, at })
            })
        });
        found.collect()
    }
}

/// Names only.
impl std::fmt::Debug for Hunt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What a secret could look like, without what stands around it.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let numbers = format!("{bytes:?}");
    let mut forms = vec![
        ("plain", secret.to_owned()),
        ("hex", HEXLOWER.encode(bytes)),
        ("hex", HEXUPPER.encode(bytes)),
        ("percent", bytes.iter().map(|byte| format!("%{byte:02X}")).collect()),
        ("percent", url::form_urlencoded::byte_serialize(bytes).collect()),
        ("numbers", numbers.trim_matches(['[', ']']).to_owned()),
    ];
    // At each of the three places in a group where it can begin; the ends depend on what stands beside.
    for before in 0..3 {
        let padded = format!("{}{secret}", "\0".repeat(before));
        let first = before + usize::from(before > 0);
        let whole = padded.len() / 3 * 4;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.push(("Base64", engine.encode(&padded)[first..whole].to_owned()));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "CNRY-password~6f1d?";

    fn found(text: &str) -> Vec<&'static str> {
        let mut hunt = Hunt::default();
        hunt.add("password", SECRET);
        let mut forms: Vec<_> = hunt.hits(text.as_bytes()).into_iter().map(|hit| hit.form).collect();
        forms.dedup();
        forms
    }

    #[test]
    fn a_secret_is_found_in_every_form_that_is_looked_for() {
        assert_eq!(found(&format!("password={SECRET}")), ["plain"]);
        for around in [("user:", ""), ("users:", "!"), ("", ", and more"), ("u:", "x")] {
            let text = STANDARD_NO_PAD.encode(format!("{}{SECRET}{}", around.0, around.1));
            assert_eq!(found(&text), ["Base64"], "{around:?}");
            let text = URL_SAFE_NO_PAD.encode(format!("{}{SECRET}{}", around.0, around.1));
            assert_eq!(found(&text), ["Base64"], "{around:?}");
        }
        assert_eq!(found(&HEXLOWER.encode(format!("x{SECRET}").as_bytes())), ["hex"]);
        assert_eq!(found("a=CNRY-password%7E6f1d%3F&b"), ["percent"]);
        assert_eq!(found(&format!("{:?}", SECRET.as_bytes())), ["numbers"]);
        assert_eq!(found("nothing of the kind, CNRY-password"), [""; 0]);
    }

    #[test]
    fn what_is_too_short_is_not_looked_for_and_debug_shows_names() {
        let mut hunt = Hunt::default();
        hunt.add("short", "12345");
        assert!(hunt.is_empty());
        hunt.add("long", "CNRY-secret");
        assert_eq!((format!("{hunt:?}").as_str(), hunt.len()), ("[\"long\"]", 1));
    }
}
