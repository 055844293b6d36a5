//! A reference parser that takes nothing which two readers could take differently (RFC 9112 sections 2 to 7).

/// One request as a strict reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, a token.
    pub method: String,
    /// The target as written.
    pub target: String,
    /// Names as written, values trimmed.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Trailer fields of a chunked body.
    pub trailers: Vec<(String, String)>,
}

impl Request {
    /// All values of a header, by name without regard to case.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }
}

/// What a reader makes of the bytes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// One request, and how many bytes it took.
    Whole(Request, usize),
    /// More bytes are needed.
    Partial,
    /// Two readers could disagree, and why.
    Ambiguous(String),
}

/// Reads one request from the front of `bytes`.
pub fn read(bytes: &[u8]) -> Read {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return match bytes.iter().position(|b| *b == b'\n') {
            Some(at) if at == 0 || bytes[at - 1] != b'\r' => Read::Ambiguous("a bare LF in the head".into()),
            _ => Read::Partial,
        };
    };
    let line = find(bytes, b"\r\n").unwrap_or(end);
    let Ok(line) = std::str::from_utf8(&bytes[..line]) else {
        return Read::Ambiguous("bytes that are no text in the request line".into());
    };
    // Bytes beyond ASCII may stand in a value, where they mean themselves (RFC 9110 section 5.5).
    let fields: String = bytes[line.len()..end].iter().map(|byte| char::from(*byte)).collect();
    match read_head(&format!("{line}{fields}")) {
        Ok((request, framing)) => read_body(request, framing, bytes, end + 4),
        Err(why) => Read::Ambiguous(why),
    }
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

fn read_head(head: &str) -> Result<(Request, Framing), String> {
    if let Some(odd) = head.replace("\r\n", "").chars().find(|c| c.is_ascii_control() && *c != '\t') {
        return Err(format!("a control byte {odd:?} in the head"));
    }
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let parts: Vec<&str> = line.split(' ').collect();
    let &[method, target, "HTTP/1.1"] = parts.as_slice() else {
        return Err(format!("the request line {line:?}"));
    };
    if !is_token(method) || target.is_empty() || target.contains('#') {
        return Err(format!("the request line {line:?}"));
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("the header line {line:?}"))?;
        if !is_token(name) {
            return Err(format!("the header name {name:?}"));
        }
        headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    let request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: Vec::new(),
        trailers: Vec::new(),
    };
    if request.values("host").len() != 1 {
        return Err(format!("{} Host headers", request.values("host").len()));
    }
    let framing =
        match (request.values("transfer-encoding").as_slice(), request.values("content-length").as_slice()) {
            ([], []) => Framing::None,
            ([], [length]) => Framing::Length(strict_number(length)?),
            (["chunked"], []) => Framing::Chunked,
            (codings, lengths) => return Err(format!("framed by {codings:?} and {lengths:?}")),
        };
    Ok((request, framing))
}

fn read_body(mut request: Request, framing: Framing, bytes: &[u8], start: usize) -> Read {
    match framing {
        Framing::None => Read::Whole(request, start),
        Framing::Length(length) if bytes.len() < start + length => Read::Partial,
        Framing::Length(length) => {
            request.body = bytes[start..start + length].to_vec();
            Read::Whole(request, start + length)
        }
        Framing::Chunked => read_chunks(request, bytes, start),
    }
}

fn read_chunks(mut request: Request, bytes: &[u8], mut at: usize) -> Read {
    loop {
        let Some(line) = line_at(bytes, at) else { return Read::Partial };
        if line.is_empty() || line.len() > 8 || !line.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Read::Ambiguous(format!("the chunk size {line:?}"));
        }
        let Ok(size) = usize::from_str_radix(&line, 16) else {
            return Read::Ambiguous(format!("the chunk size {line:?}"));
        };
        at += line.len() + 2;
        if size == 0 {
            break;
        }
        if bytes.len() < at + size + 2 {
            return Read::Partial;
        }
        request.body.extend_from_slice(&bytes[at..at + size]);
        if &bytes[at + size..at + size + 2] != b"\r\n" {
            return Read::Ambiguous("a chunk longer than its size".into());
        }
        at += size + 2;
    }
    loop {
        let Some(line) = line_at(bytes, at) else { return Read::Partial };
        at += line.len() + 2;
        if line.is_empty() {
            return Read::Whole(request, at);
        }
        match line.split_once(':') {
            Some((name, value)) if is_token(name) => {
                request.trailers.push((name.to_owned(), value.trim().to_owned()));
            }
            _ => return Read::Ambiguous(format!("the trailer line {line:?}")),
        }
    }
}

fn line_at(bytes: &[u8], at: usize) -> Option<String> {
    let rest = bytes.get(at..)?;
    let end = find(rest, b"\r\n")?;
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn strict_number(text: &str) -> Result<usize, String> {
    let plain = !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit());
    let no_leading_zero = text == "0" || !text.starts_with('0');
    if plain && no_leading_zero {
        text.parse().map_err(|_| text.to_owned())
    } else {
        Err(format!("the length {text:?}"))
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ambiguous(text: &str) -> bool {
        matches!(read(text.as_bytes()), Read::Ambiguous(_))
    }

    #[test]
    fn a_plain_request_is_read_whole() {
        let text = "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET";
        let Read::Whole(request, used) = read(text.as_bytes()) else { panic!("not whole") };
        assert_eq!(
            (request.target.as_str(), request.body.as_slice(), used),
            ("/a?b", &b"hi"[..], text.len() - 3)
        );
    }

    #[test]
    fn bytes_beyond_ascii_are_a_value_and_no_name() {
        let read = |line: &[u8], field: &[u8]| {
            read(&[line, b" HTTP/1.1\r\nHost: x\r\n", field, b"\r\n\r\n"].concat())
        };
        let Read::Whole(request, _) = read(b"GET /", b"X: M\xfcller\xa0") else { panic!("not whole") };
        assert_eq!(request.values("x"), ["M\u{fc}ller\u{a0}"]);
        for (line, field) in
            [(&b"GET /\xfc"[..], &b"X: y"[..]), (b"GET /", b"X\xfc: y"), (b"G\xfcT /", b"X: y")]
        {
            assert!(matches!(read(line, field), Read::Ambiguous(_)));
        }
    }

    #[test]
    fn chunks_and_trailers_are_read() {
        let text =
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n";
        let Read::Whole(request, used) = read(text.as_bytes()) else { panic!("not whole") };
        assert_eq!(used, text.len());
        assert_eq!(request.trailers, [("A".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn whatever_two_readers_could_take_differently_is_ambiguous() {
        for text in [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 01\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\n\r\n",
        ] {
            assert!(ambiguous(text), "{text:?}");
        }
    }
}
