//! Finds a JSON envelope's payload without parsing the document.

use memchr::memchr2;

/// The text between the quotes of `p`, if `body` is one JSON object whose `v` is 2 and whose `p` is a string.
///
/// Nested values are stepped over by their brackets, not checked: whoever is not an envelope is handed on as
/// it came, and whoever is one is checked by its tag. Of a name given twice the last one counts, as for most
/// parsers.
pub(super) fn payload_text(body: &[u8]) -> Option<&[u8]> {
    let mut scan = Scan { body, at: 0 };
    let (mut is_version_2, mut payload) = (false, None);

    scan.white();
    scan.take(b'{')?;
    scan.white();
    // An empty object has no `p`: a name must follow.
    loop {
        let name = scan.string()?;
        scan.white();
        scan.take(b':')?;
        scan.white();
        let value = scan.value()?;
        match member(name) {
            Member::Version => is_version_2 = matches!(value, Value::Bare(b"2")),
            Member::Payload => {
                payload = match value {
                    Value::String(text) => Some(text),
                    Value::Bare(_) | Value::Nested => None,
                }
            }
            Member::Other => {}
        }
        scan.white();
        match scan.next()? {
            b',' => scan.white(),
            b'}' => break,
            _ => return None,
        }
    }
    scan.white();
    if scan.at < body.len() || !is_version_2 { None } else { payload }
}

/// The string whose text between the quotes is `text`; `None` if it is none.
pub(super) fn string_of(text: &[u8]) -> Option<String> {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(text);
    quoted.push(b'"');
    serde_json::from_slice(&quoted).ok()
}

enum Member {
    Version,
    Payload,
    Other,
}

fn member(name: &[u8]) -> Member {
    match name {
        b"v" => Member::Version,
        b"p" => Member::Payload,
        // `\u0076`: six bytes are the longest spelling of one letter.
        [b'\\', ..] if name.len() <= 6 => match string_of(name).as_deref() {
            Some("v") => Member::Version,
            Some("p") => Member::Payload,
            _ => Member::Other,
        },
        _ => Member::Other,
    }
}

enum Value<'a> {
    /// The text between the quotes.
    String(&'a [u8]),
    /// A number, `true`, `false` or `null`.
    Bare(&'a [u8]),
    /// An object or an array.
    Nested,
}

struct Scan<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// Over white space (RFC 8259 section 2).
    fn white(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Over a string; what stands between its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            self.at += memchr2(b'"', b'\\', self.body.get(self.at..)?)?;
            if self.body[self.at] == b'"' {
                let text = &self.body[start..self.at];
                self.at += 1;
                return Some(text);
            }
            // A backslash and whatever it escapes; the digits of `\u` are ordinary bytes.
            self.at += 2;
        }
    }

    fn value(&mut self) -> Option<Value<'a>> {
        match self.peek()? {
            b'"' => self.string().map(Value::String),
            b'{' | b'[' => self.nested().map(|()| Value::Nested),
            _ => self.bare().map(Value::Bare),
        }
    }

    fn bare(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then(|| &self.body[start..self.at])
    }

    /// Over an object or an array, by counting brackets outside strings: depth costs no stack.
    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_envelope_is_found_in_any_order_and_among_other_members() {
        for (body, payload) in [
            (r#"{"v":2,"p":"QUJD"}"#, "QUJD"),
            (r#"{"p":"QUJD","v":2}"#, "QUJD"),
            ("\r\n {\t\"p\" : \"QUJD\" ,\n \"v\" : 2 }\n", "QUJD"),
            (r#"{"v":2,"p":"","keyId":null}"#, ""),
            (r#"{"x":{"v":1,"p":[{"y":"}"}]},"v":2,"p":"QUJD","z":[1,-2.5e3,true,"]"]}"#, "QUJD"),
            (r#"{"success":true,"code":"2000","v":2,"p":"QUJD"}"#, "QUJD"),
            (r#"{"\u0076":2,"\u0070":"QUJD"}"#, "QUJD"),
            (r#"{"v":2,"p":"QU\/D"}"#, r"QU\/D"),
            (r#"{"v":1,"p":"no","v":2,"p":"QUJD"}"#, "QUJD"),
        ] {
            assert_eq!(payload_text(body.as_bytes()), Some(payload.as_bytes()), "{body}");
        }
    }

    #[test]
    fn what_only_looks_like_an_envelope_is_none() {
        for body in [
            "",
            " ",
            "{}",
            "[]",
            "2",
            r#""{\"v\":2,\"p\":\"QUJD\"}""#,
            r#"[{"v":2,"p":"QUJD"}]"#,
            r#"{"data":{"v":2,"p":"QUJD"}}"#,
            r#"{"data":"{\"v\":2,\"p\":\"QUJD\"}"}"#,
            r#"{"v":2,"p":"QUJD"} {}"#,
            r#"{"v":2,"p":"QUJD"},"#,
            r#"{"v":2,"p":"QUJD""#,
            r#"{"v":2,"p":"QUJD"#,
            r#"{"v":2,"p":"QUJD\"}"#,
            r#"{"v":2,"p":"QUJD",}"#,
            r#"{"v":2 "p":"QUJD"}"#,
            r#"{v:2,p:"QUJD"}"#,
            r#"{"v":2}"#,
            r#"{"p":"QUJD"}"#,
            r#"{"v":"2","p":"QUJD"}"#,
            r#"{"v":1,"p":"QUJD"}"#,
            r#"{"v":22,"p":"QUJD"}"#,
            r#"{"v":-2,"p":"QUJD"}"#,
            r#"{"v":[2],"p":"QUJD"}"#,
            r#"{"v":2,"p":null}"#,
            r#"{"v":2,"p":["QUJD"]}"#,
            r#"{"v":2,"p":{"p":"QUJD"}}"#,
            r#"{"V":2,"P":"QUJD"}"#,
            r#"{"v":2,"p":"QUJD","p":1}"#,
            r#"{"v":2,"p":"QUJD","v":3}"#,
            r#"{"v":2,"p":"QUJD","x":}"#,
            r#"{"v":2,"p":"QUJD","x":[}"#,
            r#"{"v":2,"p":"QUJD"}x"#,
            "\u{feff}{\"v\":2,\"p\":\"QUJD\"}",
        ] {
            assert_eq!(payload_text(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!(r#"{{"x":{}{},"v":2,"p":"QUJD"}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(payload_text(deep.as_bytes()), Some(&b"QUJD"[..]));
        assert_eq!(payload_text(&deep.as_bytes()[..900_000]), None);
    }

    /// JSON documents, with names that matter among those that do not.
    fn json() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            Just(Value::from(2)),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
            "[A-Za-z0-9+/]{4}".prop_map(Value::from),
        ];
        let name = prop_oneof![Just("v".to_owned()), Just("p".to_owned()), ".{0,3}"];
        leaf.prop_recursive(3, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_parser_on_every_document(document in json(), pretty: bool) {
            let text = if pretty { serde_json::to_vec_pretty(&document) } else { serde_json::to_vec(&document) };
            let expected = match (document.get("v"), document.get("p")) {
                (Some(v), Some(serde_json::Value::String(p))) if *v == 2 => Some(p.clone()),
                _ => None,
            };
            let found = payload_text(&text.unwrap()).map(|raw| string_of(raw).unwrap());
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn it_never_panics(body: Vec<u8>) {
            let _ = payload_text(&body);
        }

        #[test]
        fn it_never_panics_on_what_is_nearly_json(body in r#"[\{\}\[\]":,\\vp2 u07]{0,40}"#) {
            let _ = payload_text(body.as_bytes());
        }
    }
}
