//! Links of the portal, made to point to the address that the client used.

use http::HeaderValue;
use http::header::{CONTENT_LOCATION, Entry, HeaderMap, HeaderName, LINK, LOCATION, REFRESH};

use super::Caller;
use crate::upstream::{Base, Located};

/// Rewrites `Location`, `Content-Location`, `Refresh` and `Link` where they lead to the portal; others stay as they
/// are.
pub(super) fn rewrite(headers: &mut HeaderMap, base: &Base, caller: &Caller) {
    // Most answers have none of them, and comparing names is cheaper than looking them up.
    let is_one = |name: &HeaderName| [LOCATION, CONTENT_LOCATION, REFRESH, LINK].contains(name);
    if !headers.keys().any(is_one) {
        return;
    }
    for name in [LOCATION, CONTENT_LOCATION] {
        replace(headers, name, |reference| local(reference, base, caller));
    }
    replace(headers, REFRESH, |refresh| {
        // `5; url=https://…` (the HTML standard, "shared declarative refresh steps").
        let (delay, rest) = refresh.split_once([';', ','])?;
        let (key, reference) = rest.split_once('=')?;
        if !key.trim().eq_ignore_ascii_case("url") {
            return None;
        }
        let reference = reference.trim().trim_matches(['"', '\'']);
        Some(format!("{delay}; url={}", local(reference, base, caller)?))
    });
    if let Entry::Occupied(mut links) = headers.entry(LINK) {
        for value in links.iter_mut() {
            let new = value.to_str().ok().and_then(|links| targets(links, |t| local(t, base, caller)));
            if let Some(new) = new.and_then(|new| HeaderValue::from_str(&new).ok()) {
                *value = new;
            }
        }
    }
}

/// Replaces the targets of links, which stand in angle brackets outside quotes (RFC 8288 section 3). `None` if none
/// of them changes.
fn targets(links: &str, with: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut new = String::with_capacity(links.len() + 16);
    let (mut rest, mut changed) = (links, false);
    while let Some(at) = rest.find(['<', '"']) {
        let (before, from) = rest.split_at(at);
        new.push_str(before);
        let closing = if from.starts_with('<') { '>' } else { '"' };
        let mut escaped = false;
        let end = from[1..].find(|c| {
            let ends = c == closing && !escaped;
            escaped = closing == '"' && c == '\\' && !escaped;
            ends
        })?;
        let inside = &from[1..=end];
        match (closing == '>').then(|| with(inside)).flatten() {
            Some(target) => {
                new.push_str(&format!("<{target}>"));
                changed = true;
            }
            None => new.push_str(&from[..end + 2]),
        }
        rest = &from[end + 2..];
    }
    new.push_str(rest);
    changed.then_some(new)
}

fn replace(headers: &mut HeaderMap, name: HeaderName, with: impl FnOnce(&str) -> Option<String>) {
    if let Some(value) = headers.get(&name)
        && let Some(new) = value.to_str().ok().and_then(with)
        && let Ok(new) = HeaderValue::from_str(&new)
    {
        headers.insert(name, new);
    }
}

fn local(reference: &str, base: &Base, caller: &Caller) -> Option<String> {
    let below = caller.prefix();
    match base.locate(reference) {
        Located::Unchanged if !below.is_empty() && is_path(reference) => Some(format!("{below}{reference}")),
        Located::Unchanged => None,
        Located::Path(path) => Some(format!("{below}{path}")),
        // Without a Host to name, the path alone says the same (RFC 9110 section 10.2.2).
        Located::Local(path) => Some(format!("{}{below}{path}", caller.origin().unwrap_or_default())),
        Located::Elsewhere(url) => Some(url),
    }
}

/// Whether it is a path from the root of the host it stands on (RFC 3986 section 4.2).
fn is_path(reference: &str) -> bool {
    reference.starts_with('/') && !reference.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(name: HeaderName, value: &str) -> String {
        let base = Base::new(&url::Url::parse("https://portal.example/pre").unwrap()).unwrap();
        let request = http::Request::builder().uri("/x").header("host", "localhost:8787").body(()).unwrap();
        let caller = Caller::of(&mut request.into_parts().0);
        let mut headers = HeaderMap::new();
        headers.insert(name.clone(), value.parse().unwrap());
        rewrite(&mut headers, &base, &caller);
        headers[name].to_str().unwrap().to_owned()
    }

    #[test]
    fn links_to_the_portal_become_local_and_others_stay() {
        for (from, to) in [
            ("https://portal.example/pre/a?b#c", "http://localhost:8787/a?b#c"),
            ("/pre/a", "/a"),
            ("/outside", "https://portal.example/outside"),
            ("relative/a", "relative/a"),
            ("https://other.example/pre/a", "https://other.example/pre/a"),
            ("https://portal.example@evil.example/pre", "https://portal.example@evil.example/pre"),
        ] {
            assert_eq!(rewritten(LOCATION, from), to);
            assert_eq!(rewritten(CONTENT_LOCATION, from), to);
            assert_eq!(
                rewritten(REFRESH, &format!("5; URL='{from}'"))
                    .trim_end_matches('\'')
                    .replace("URL='", "url="),
                format!("5; url={to}")
            );
        }
        assert_eq!(rewritten(REFRESH, "30"), "30");
    }

    #[test]
    fn the_targets_of_links_become_local_and_nothing_else_in_them_changes() {
        for (from, to) in [
            (
                "<https://portal.example/pre/a?page=2>; rel=\"next\", </pre/b>; rel=\"last\"",
                "<http://localhost:8787/a?page=2>; rel=\"next\", </b>; rel=\"last\"",
            ),
            (
                "<https://other.example/>; title=\"<https://portal.example/pre/> \\\" <x>\", <//portal.example/pre/c>",
                "<https://other.example/>; title=\"<https://portal.example/pre/> \\\" <x>\", <http://localhost:8787/c>",
            ),
            ("<https://portal.example/pre/a", "<https://portal.example/pre/a"),
            ("</style.css>; rel=preload", "<https://portal.example/style.css>; rel=preload"),
            ("<style.css>; rel=preload", "<style.css>; rel=preload"),
        ] {
            assert_eq!(rewritten(LINK, from), to);
        }
    }

    #[test]
    fn what_named_an_identity_is_put_before_local_paths_again() {
        for (base, from, to) in [
            ("https://portal.example/pre", "https://portal.example/pre/a", "http://localhost:8787/alice/a"),
            ("https://portal.example/pre", "/pre/a", "/alice/a"),
            ("https://portal.example/pre", "/outside", "https://portal.example/outside"),
            ("https://portal.example", "/a?b", "/alice/a?b"),
            ("https://portal.example", "relative", "relative"),
            ("https://portal.example", "//other.example/a", "//other.example/a"),
            ("https://portal.example", "https://other.example/a", "https://other.example/a"),
        ] {
            let base = Base::new(&url::Url::parse(base).unwrap()).unwrap();
            let request =
                http::Request::builder().uri("/x").header("host", "localhost:8787").body(()).unwrap();
            let mut caller = Caller::of(&mut request.into_parts().0);
            caller.came_under(Some(&"/alice".into()));
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, from.parse().unwrap());
            rewrite(&mut headers, &base, &caller);
            assert_eq!(headers[LOCATION], to, "{from}");
        }
    }

    #[test]
    fn every_field_of_links_is_looked_at() {
        let base = Base::new(&url::Url::parse("https://portal.example").unwrap()).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(LINK, HeaderValue::from_static("<https://portal.example/a>"));
        headers.append(LINK, HeaderValue::from_static("<https://portal.example/b>"));
        rewrite(&mut headers, &base, &Caller::unknown());
        assert_eq!(headers.get_all(LINK).iter().collect::<Vec<_>>(), ["</a>", "</b>"]);
    }
}
