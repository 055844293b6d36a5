//! The channel against a portal on Python's `cryptography` (`tests/vectors/open_envelopes.py`): it unwraps our
//! keys and opens our envelopes, and we open its answers. Needs `python3` with `cryptography` on the path.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use portunus::channel::{
    Aad, Base64, Bootstrap, Channel, EnvelopeForm, KeyExchange, OaepHash, PortalKey, Spelling,
};

const SESSION_ID: &str = "sess_4f6b2c";

#[test]
fn python_reads_what_the_channel_seals_and_the_channel_reads_what_python_seals() {
    let portal = portal_key();
    let (channels, cases): (Vec<Channel>, Vec<Value>) = spellings()
        .map(|spelling| {
            let (bootstrap, hello) = Bootstrap::start(&portal, spelling, &mut rand::rng()).unwrap();
            let channel = bootstrap.finish(SESSION_ID).unwrap();
            let requests: Vec<String> =
                texts().iter().map(|text| hex(&channel.seal(text, &mut rand::rng()).unwrap())).collect();
            let case = json!({
                "oaep": hash(spelling.oaep_hash),
                "mgf1": hash(spelling.mgf1_hash),
                "aad": match spelling.aad { Aad::None => "none", Aad::SessionId => "session_id" },
                "base64": match spelling.base64 { Base64::Standard => "standard", Base64::Url => "url" },
                "envelope": if spelling.envelope == EnvelopeForm::Json { "json" } else { "binary" },
                "session_id": SESSION_ID,
                "hello": hex(&hello.to_json()),
                "requests": requests,
            });
            (channel, case)
        })
        .unzip();

    let answered = python(&cases);
    assert_eq!(
        answered.len(),
        32,
        "two forms, two alphabets, with and without additional data, four pairs of hashes"
    );
    for ((channel, case), answered) in channels.iter().zip(&cases).zip(&answered) {
        agrees(answered, &texts(), |answer| channel.open(answer).unwrap().to_vec(), case);
    }
}

#[test]
fn python_reads_a_first_message_with_the_keys_inside() {
    let portal = portal_key();
    let first =
        Spelling { envelope: EnvelopeForm::Binary, key_exchange: KeyExchange::FirstMessage, ..guide() };
    let text = texts().pop().unwrap();
    let (waiting, cases): (Vec<_>, Vec<_>) = hash_pairs()
        .map(|(oaep_hash, mgf1_hash)| {
            let spelling = Spelling { oaep_hash, mgf1_hash, ..first };
            let (bootstrap, _) = Bootstrap::start(&portal, spelling, &mut rand::rng()).unwrap();
            let (message, waiting) = bootstrap.first_message(&text, &mut rand::rng()).unwrap();
            let case = json!({
                "oaep": hash(oaep_hash),
                "mgf1": hash(mgf1_hash),
                "first_message": hex(&message),
            });
            (waiting, case)
        })
        .unzip();

    let answered = python(&cases);
    assert_eq!(answered.len(), 4);
    for ((waiting, case), answered) in waiting.iter().zip(&cases).zip(&answered) {
        let open = |answer: &[u8]| waiting.open(answer, None).unwrap().to_vec();
        agrees(answered, std::slice::from_ref(&text), open, case);
    }
}

/// Python read these texts, and its answers, which are the texts backwards, open.
fn agrees(answered: &Value, texts: &[Vec<u8>], open: impl Fn(&[u8]) -> Vec<u8>, case: &Value) {
    assert_eq!(answered["key_id"], "rsa-key-1");
    let (opened, answers) = (bodies(&answered["opened"]), bodies(&answered["answers"]));
    assert_eq!(opened, texts, "{case}");
    assert_eq!(answers.len(), texts.len(), "{case}");
    for (answer, text) in answers.iter().zip(texts) {
        let backwards: Vec<u8> = text.iter().rev().copied().collect();
        assert_eq!(open(answer), backwards, "{case}");
    }
}

fn python(cases: &[Value]) -> Vec<Value> {
    let script = vectors().join("open_envelopes.py");
    let mut python = Command::new("python3")
        // Without `-B` it would leave its byte code beside the script.
        .arg("-B")
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is needed on the path, with the package `cryptography`");
    // The program reads all of its input before it writes; if it ended early, its own words say why.
    let sent = python.stdin.take().unwrap().write_all(&serde_json::to_vec(cases).unwrap());
    let output = python.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} ended with {}: {said}", script.display(), output.status);
    sent.unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The key that the Python side has the private half of.
fn portal_key() -> PortalKey {
    let document = std::fs::read(vectors().join("envelopes.json")).unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    PortalKey::parse("rsa-key-1", document["public_key"].as_str().unwrap()).unwrap()
}

fn vectors() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn texts() -> Vec<Vec<u8>> {
    let large = (0..70_001_u32).map(|i| (i % 251) as u8).collect();
    vec![Vec::new(), b"1".to_vec(), br#"{"email":"admin@example.com"}"#.to_vec(), large]
}

fn guide() -> Spelling {
    Spelling {
        envelope: EnvelopeForm::Json,
        oaep_hash: OaepHash::Sha256,
        mgf1_hash: OaepHash::Sha256,
        aad: Aad::None,
        base64: Base64::Standard,
        key_exchange: KeyExchange::Session,
    }
}

fn spellings() -> impl Iterator<Item = Spelling> {
    hash_pairs().flat_map(|(oaep_hash, mgf1_hash)| {
        let of_forms = [EnvelopeForm::Json, EnvelopeForm::Binary].into_iter();
        of_forms.flat_map(move |envelope| {
            let of_alphabets = [Base64::Standard, Base64::Url].into_iter();
            of_alphabets.flat_map(move |base64| {
                [Aad::None, Aad::SessionId].map(|aad| Spelling {
                    envelope,
                    base64,
                    aad,
                    oaep_hash,
                    mgf1_hash,
                    ..guide()
                })
            })
        })
    })
}

fn hash_pairs() -> impl Iterator<Item = (OaepHash, OaepHash)> {
    let hashes = [OaepHash::Sha1, OaepHash::Sha256];
    hashes.into_iter().flat_map(move |oaep| hashes.map(|mgf1| (oaep, mgf1)))
}

fn hash(hash: OaepHash) -> &'static str {
    match hash {
        OaepHash::Sha1 => "sha1",
        OaepHash::Sha256 => "sha256",
    }
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn bodies(list: &Value) -> Vec<Vec<u8>> {
    let bodies = list.as_array().unwrap().iter();
    bodies.map(|body| HEXLOWER.decode(body.as_str().unwrap().as_bytes()).unwrap()).collect()
}
