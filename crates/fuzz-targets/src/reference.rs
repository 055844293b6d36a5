//! A client's bytes as a careful server reads them: `httparse` for heads, and our own arithmetic for bodies.
//!
//! It is the other opinion in the differential target. Where a message is not clear it stops: what a proxy forwards
//! beyond that point, nobody asked for.

/// One request: its method, its origin-form target, its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The method as written.
    pub(crate) method: String,
    /// Path and query as written; an absolute target without its scheme and authority.
    pub(crate) target: String,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
}

/// How the bytes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With the last request.
    Clean,
    /// Within one.
    Within,
    /// With something that is no request, or not clearly one.
    Unclear,
}

/// The requests in the bytes, up to the first that is not clear or not whole.
pub(crate) fn requests(mut bytes: &[u8]) -> (Vec<Asked>, End) {
    let mut found = Vec::new();
    loop {
        // An empty line before a request is skipped (RFC 9112 section 2.2).
        while let Some(rest) = bytes.strip_prefix(b"\r\n") {
            bytes = rest;
        }
        if bytes.is_empty() {
            return (found, End::Clean);
        }
        match one(bytes) {
            Ok((asked, used)) => {
                found.push(asked);
                bytes = &bytes[used..];
            }
            Err(end) => return (found, end),
        }
    }
}

fn one(bytes: &[u8]) -> Result<(Asked, usize), End> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut head = httparse::Request::new(&mut fields);
    let begins = match head.parse(bytes) {
        Ok(httparse::Status::Complete(begins)) => begins,
        Ok(httparse::Status::Partial) => return Err(End::Within),
        Err(_) => return Err(End::Unclear),
    };
    let values = |name: &str| -> Vec<&[u8]> {
        head.headers.iter().filter(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value).collect()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    let (body, ends) = match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => (Vec::new(), begins),
        ([length], []) => {
            let ends = number(length, 10).and_then(|n| begins.checked_add(n)).ok_or(End::Unclear)?;
            (bytes.get(begins..ends).ok_or(End::Within)?.to_vec(), ends)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && head.version == Some(1) => {
            chunks(bytes, begins)?
        }
        _ => return Err(End::Unclear),
    };
    let target = head.path.unwrap_or_default();
    let asked =
        Asked { method: head.method.unwrap_or_default().to_owned(), target: origin_form(target), body };
    Ok((asked, ends))
}

fn chunks(bytes: &[u8], mut at: usize) -> Result<(Vec<u8>, usize), End> {
    let mut body = Vec::new();
    loop {
        let line = line(bytes, at)?;
        // An extension is no part of the size (RFC 9112 section 7.1.1).
        let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
        let size = number(size, 16).ok_or(End::Unclear)?;
        at += line.len() + 2;
        if size == 0 {
            break;
        }
        let ends = at.checked_add(size).ok_or(End::Unclear)?;
        body.extend_from_slice(bytes.get(at..ends).ok_or(End::Within)?);
        match bytes.get(ends..ends + 2) {
            Some(b"\r\n") => at = ends + 2,
            Some(_) => return Err(End::Unclear),
            None => return Err(End::Within),
        }
    }
    loop {
        let line = line(bytes, at)?;
        at += line.len() + 2;
        if line.is_empty() {
            return Ok((body, at));
        }
    }
}

fn line(bytes: &[u8], at: usize) -> Result<&[u8], End> {
    let rest = bytes.get(at..).unwrap_or_default();
    let ends = rest.windows(2).position(|two| two == b"\r\n").ok_or(End::Within)?;
    Ok(&rest[..ends])
}

/// Digits and nothing else.
fn number(text: &[u8], radix: u32) -> Option<usize> {
    let digits =
        str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
    usize::from_str_radix(digits, radix).ok()
}

/// Path and query of the target. An empty path goes on as `/`, with a query behind it or without (RFC 9112 section
/// 3.2.1).
fn origin_form(target: &str) -> String {
    let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
        return target.to_owned();
    };
    let own = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    if own.starts_with('/') { own.to_owned() } else { format!("/{own}") }
}
