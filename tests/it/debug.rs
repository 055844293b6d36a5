//! No `Debug` that a derive makes shows a secret: every field that could hold one is of a type that hides it, or is
//! listed here with the reason why it may be shown.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Types that may hold anything, the secrets of a message among them.
const RAW: &[&str] = &[
    "HeaderValue",
    "HeaderMap",
    "Bytes",
    "Vec<u8>",
    "[u8",
    "Request<",
    "Response<",
    "Parts",
    "Uri",
    "PathAndQuery",
    "Value",
];

/// What a field with a secret is called.
const TELLING: &[&str] = &[
    "token",
    "password",
    "passphrase",
    "secret",
    "key",
    "bearer",
    "seed",
    "code",
    "credential",
    "cookie",
    "authorization",
    "hash",
    "otp",
    "payload",
    "plain",
    "body",
];

/// Types of numbers, times, names and places: whatever they are called, they hold no secret.
const HARMLESS: &[&str] = &[
    "bool",
    "usize",
    "u8",
    "u16",
    "u32",
    "u64",
    "i64",
    "f64",
    "Duration",
    "Instant",
    "SystemTime",
    "AtomicU64",
    "AtomicUsize",
    "PathBuf",
    "HeaderName",
];

/// Types of our own whose `Debug` is written by hand, or made of such. Those of `src/secret.rs` are added.
const HIDING: &[(&str, &str)] = &[
    ("BackupCodes", "src/account/told.rs"),
    ("OtpSetup", "src/account/told.rs"),
    ("Credentials", "src/session/login.rs"),
    ("Codes", "src/session/codes.rs"),
    ("SealingKey", "src/session/store/seal.rs"),
    ("KeyCheck", "src/guard/key.rs"),
    ("Bootstrap", "src/channel/bootstrap.rs"),
    ("Challenge", "src/session/login.rs"),
    ("Tokens", "src/session/portal.rs"),
    ("SecretSource", "src/config/secret_source.rs"),
    ("OtpCodes", "src/detect/account.rs"),
];

/// Fields that look like it, and why they may be shown.
const SHOWN: &[(&str, &str)] = &[
    ("Factor.code", "the portal's name of a factor"),
    ("Sample.value", "a number of the metrics"),
    ("Problem.code", "a word of the admin API"),
    ("ErrorReport.code", "a word of the admin API"),
    ("Phase.AwaitingCode", "what a person is told; its id and ticket are types that hide them"),
    ("Identity.password_source", "a secret's source as it is written, never the secret"),
    ("Secrets.extra_headers", "as the configuration has them; those from a source are marked as sensitive"),
    ("StartError.Secret", "an error that names sources"),
    ("StartError.ClientHash", "an error that names sources"),
    ("StartError.DoorKey", "an error that names a path"),
    ("ChannelError.WeakKey", "what is wrong with a public key"),
    ("Spelling.oaep_hash", "the name of a hash"),
    ("Spelling.mgf1_hash", "the name of a hash"),
    ("Spelling.key_exchange", "a word of the dialect"),
    ("MfaCommand.BackupCodes", "flags; none takes a secret"),
    ("SetUpCommand.Otp", "flags; none takes a secret"),
    ("Command.Password", "flags; none takes a secret"),
    ("Answer.headers", "of the demo before its own simulator"),
    ("Answer.body", "of the demo before its own simulator"),
    ("Written.value", "shown by its kind alone"),
    ("Entry.key", "the name of a setting"),
    ("Entry.key_place", "a place in the file"),
    ("Origin.0", "a page's origin, as configured"),
    ("ClientHashError.Secret", "an error that names sources"),
    ("RequestTemplate.body", "a body as configured, with placeholders for what is secret"),
    ("KeyPin.0", "the digest of a public key"),
    ("ExtraHeader.value", "as the configuration has it, or a source"),
    ("ExtraValue.Literal", "as the configuration has it, where no secret stands"),
    ("Candidates.content_types", "media types"),
    ("Candidates.hashes", "names of hashes"),
    ("DetectError.Key", "what is wrong with a public key"),
    ("Way.content_type", "a media type"),
    ("Grant.origin", "a page's origin, as configured"),
    ("Asked.method", "of a preflight, which browsers send without credentials"),
    ("Asked.headers", "names of fields"),
    ("Marks.host", "a host's name"),
    ("Marks.origin", "a page's origin"),
    ("Spoken.host", "a host's name"),
    ("Worker.retry_after", "a number of seconds"),
    ("TimedBody.body", "hyper's body, which shows that it streams and how long it is"),
    ("Adopted.token_paths", "paths of the dialect"),
    ("Signs.code", "the portal's word for a situation"),
    ("Settings.keys", "how many messages a key may seal"),
    ("Settings.empty_body", "a word of the dialect"),
    ("Caller.host", "a host's name that the guard has admitted"),
    ("Caller.request_id", "an id that is in the log as well"),
    ("Caller.accept", "media types"),
    ("ProxyError.ClientBodyBroken", "hyper's error, which shows no bytes"),
    ("Responder.cookies", "a word of the configuration"),
    ("HeaderSettings.credentials", "names of fields"),
    ("HeaderSettings.cookies", "a word of the configuration"),
    ("HeaderPolicy.cookies", "a word of the configuration"),
    ("Rule.bearer", "whether one goes along"),
    ("Route.bearer", "whether one goes along"),
    ("Attempts.used_codes", "salted tags of two bytes, which tell nothing"),
    ("Latch.credentials", "a salted tag of two bytes, which tells nothing"),
    ("CredentialsTag.salt", "a salt"),
    ("CredentialsTag.tag", "two bytes, which tell nothing"),
    ("SessionError.CodeSource", "an error that names a source"),
    ("Next.Otp", "a factor that was offered"),
    ("Lease.bearer", "marked as sensitive"),
    ("Method.wire", "the portal's name of a factor"),
    ("PortalError.code", "the portal's word for a situation"),
    ("Intent.token", "the hash of a token"),
    ("RedisDoor.ca", "certificates, which are public"),
    ("Captured.0", "a log, in which there are no secrets"),
    ("Base.host_header", "a host's name"),
    ("UpstreamError.BodyBroken", "an error of the system"),
    ("UpstreamError.ClientBody", "hyper's error, which shows no bytes"),
    ("Named.ById", "marked as sensitive"),
    ("Settings.spki_pin", "the digest of a public key"),
    ("SealedHeaders.content_type", "a media type"),
    ("Via.authorization", "marked as sensitive"),
];

struct Field {
    owner: String,
    name: String,
    kind: String,
    file: PathBuf,
}

/// The fields of all types of a file that derive `Debug`, its tests left out. The house's formatting makes it easy:
/// one field a line, and a `}` of its own at the end.
fn fields(file: &Path, found: &mut Vec<Field>) {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let (mut derived, mut owner) = (false, None::<String>);
    for line in text.lines() {
        if line.starts_with("#[derive(") && line.contains("Debug") {
            derived = true;
        } else if line == "}" {
            owner = None;
        }
        let bare = without_visibility(line.trim());
        if let Some(rest) = bare.strip_prefix("struct ").or_else(|| bare.strip_prefix("enum "))
            && !line.starts_with(' ')
        {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            owner = std::mem::take(&mut derived).then(|| rest[..end].to_owned());
            if let (Some(name), true) = (&owner, rest[end..].starts_with('(')) {
                let kind = rest[end + 1..].trim_end_matches([';', ')']).to_owned();
                found.push(Field { owner: name.clone(), name: "0".into(), kind, file: file.to_owned() });
            }
            if line.ends_with(';') {
                owner = None;
            }
            continue;
        }
        let Some(owner) = &owner else { continue };
        if bare.starts_with("//") || bare.starts_with('#') {
            continue;
        }
        // `Variant { a: A, b: B },` stands on one line where it is short.
        let inside = bare.split_once(" { ").and_then(|(_, rest)| rest.strip_suffix(" },"));
        for part in inside.map_or_else(|| vec![bare], |inside| inside.split(", ").collect()) {
            let (name, kind) = match part.split_once(": ") {
                Some((name, kind)) => (name, kind.trim_end_matches(',')),
                None => match part.split_once('(') {
                    Some((name, kind)) => (name, kind.trim_end_matches(',').trim_end_matches(')')),
                    None => continue,
                },
            };
            if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                let (owner, name, kind) = (owner.clone(), name.to_owned(), kind.to_owned());
                found.push(Field { owner, name, kind, file: file.to_owned() });
            }
        }
    }
}

fn without_visibility(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("pub") else { return line };
    match rest.strip_prefix('(') {
        Some(rest) => rest.split_once(") ").map_or(line, |(_, rest)| rest),
        None => rest.trim_start(),
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if entry.is_dir() && name != "tests" {
            sources(&entry, found);
        } else if name.ends_with(".rs") && !["tests.rs", "fake.rs", "against_sim.rs"].contains(&name.as_str())
        {
            found.push(entry);
        }
    }
}

/// The names in a type: `Option<Vec<Password>>` has three.
fn words(kind: &str) -> impl Iterator<Item = &str> {
    kind.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[test]
fn no_derived_debug_has_a_field_that_could_show_a_secret() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let secrets = fs::read_to_string(root.join("src/secret.rs")).unwrap();
    let (_, listed) = secrets.split_once("\nsecrets! {").unwrap();
    let named: Vec<&str> = listed
        .split("\n}")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';'))
        .collect();
    assert!(named.len() >= 16, "{named:?}");
    let hides = |kind: &str| {
        words(kind).any(|word| named.contains(&word) || HIDING.iter().any(|(hiding, _)| *hiding == word))
    };
    let (mut files, mut all) = (Vec::new(), Vec::new());
    sources(&root.join("src"), &mut files);
    files.iter().for_each(|file| fields(file, &mut all));
    assert!(all.len() > 400, "{} fields are found only", all.len());

    let mut shown: BTreeMap<&str, bool> = SHOWN.iter().map(|(field, _)| (*field, false)).collect();
    let mut open = Vec::new();
    for Field { owner, name, kind, file } in &all {
        let is_raw = RAW.iter().any(|raw| kind.contains(raw)) && !kind.contains("HeldBytes");
        let is_harmless =
            kind == "&'static str" || words(kind).all(|word| word == "Option" || HARMLESS.contains(&word));
        let is_telling = TELLING.iter().any(|word| name.to_lowercase().contains(word)) && !is_harmless;
        if (is_raw || is_telling) && !hides(kind) {
            match shown.get_mut(format!("{owner}.{name}").as_str()) {
                Some(seen) => *seen = true,
                None => open.push(format!("{owner}.{name}: {kind} ({})", file.display())),
            }
        }
    }
    assert!(open.is_empty(), "hide them, or say above why they may be shown:\n{}", open.join("\n"));
    let stale: Vec<_> = shown.iter().filter(|(_, seen)| !**seen).map(|(field, _)| field).collect();
    assert!(stale.is_empty(), "listed, and not there: {stale:?}");
}

/// The types that the check above trusts hide what they hold.
#[test]
fn every_type_that_is_said_to_hide_its_secret_does_not_derive_its_debug_over_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, file) in HIDING {
        let text = fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let by_hand = text.contains(&format!("Debug for {name}"));
        let mut derived = Vec::new();
        fields(&root.join(file), &mut derived);
        let is_derived = derived.iter().any(|field| field.owner == *name);
        let is_trait = text.contains(&format!("trait {name}"));
        // A derived one is made of fields that the check above looks at.
        assert!(by_hand || is_derived || is_trait, "{name} is not in {file}");
    }
}
