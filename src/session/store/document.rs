//! One identity's document: what lies on the disk, and what is sealed inside.
//!
//! In clear: its version, whose it is, which key and nonce. Sealed, and bound to the first two: everything else.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::migrate::{NEWEST, OLDEST, STEPS, migrate};
use super::seal::{NONCE_BYTES, SALT_BYTES, SealingKey};
use super::{SavedSession, StoreError};
use crate::secret::{AccessToken, Expose, RefreshToken};
use crate::session::{Attempts, Blocked, CredentialsTag, Generation, Latch, Latched, Step};

/// All that is remembered of one identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Document {
    /// The pair; its `unanswered` is what the intents say.
    pub(super) session: Option<SavedSession>,
    /// The refresh tokens that were sent, or were about to be, without an answer so far.
    pub(super) intents: Vec<Intent>,
    pub(super) attempts: Attempts,
}

/// That a refresh token was about to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intent {
    /// The hash of the token.
    pub(super) token: String,
    /// When, in milliseconds since the epoch.
    pub(super) at: u64,
}

impl Intent {
    fn to_send(token: &RefreshToken) -> Self {
        Self { token: Self::hash(token), at: millis(SystemTime::now()) }
    }

    #[expect(clippy::disallowed_methods, reason = "hashed, to be told from another token")]
    fn hash(token: &RefreshToken) -> String {
        HEXLOWER.encode(&Sha256::digest(token.expose().as_bytes())[..16])
    }
}

/// Whose document it is: what it is sealed for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    /// The identity.
    pub(super) identity: &'a str,
    /// At which portal.
    pub(super) realm: &'a str,
    /// The file or the key, for a person.
    pub(super) file: &'a str,
    /// Where it lies, and so how a person gets at it.
    pub(super) place: Place,
}

/// Where a document lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Disk,
    Redis,
}

impl Name<'_> {
    fn aad(&self, version: u64) -> Vec<u8> {
        let parts = ["portunus session", &version.to_string(), self.identity, self.realm];
        parts
            .iter()
            .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.bytes()))
            .collect()
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError {
            what: format!("{} {what}", self.file),
            hint: format!(
                "restore it from a backup, or remove it and sign in again: {}, then portunus login",
                self.removal()
            ),
        }
    }

    /// The command that removes it.
    fn removal(&self) -> String {
        match self.place {
            Place::Disk => format!("rm {}", self.file),
            Place::Redis => format!("redis-cli DEL '{}'", self.file),
        }
    }

    /// The command that moves it out of the way.
    fn move_away(&self) -> String {
        match self.place {
            Place::Disk => format!("mv {0} {0}.newer", self.file),
            Place::Redis => format!("redis-cli RENAME '{0}' '{0}.newer'", self.file),
        }
    }
}

impl Document {
    /// The file's text.
    pub(super) fn seal(
        &self,
        name: &Name<'_>,
        key: &SealingKey,
        random: Random,
    ) -> Result<Vec<u8>, StoreError> {
        let salt = key.is_salted().then_some(random.salt);
        let key = key.for_salt(random.salt);
        let failed = || name.damaged("cannot be sealed");
        let plain = Zeroizing::new(serde_json::to_vec(&Inside::of(self)).map_err(|_| failed())?);
        let sealed = key.seal(random.nonce, &plain, &name.aad(NEWEST)).ok_or_else(failed)?;
        let outside = Outside {
            version: NEWEST,
            identity: name.identity.into(),
            key: key.id().into(),
            salt: salt.map(|salt| HEXLOWER.encode(&salt).into()),
            nonce: HEXLOWER.encode(&random.nonce).into(),
            sealed: BASE64.encode(&sealed).into(),
        };
        let mut text = serde_json::to_vec_pretty(&outside).map_err(|_| failed())?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads the file's text. The salt, if it has one, serves the next writing as well.
    pub(super) fn open(
        text: &[u8],
        name: &Name<'_>,
        key: &SealingKey,
    ) -> Result<(Self, Option<[u8; SALT_BYTES]>), StoreError> {
        match serde_json::from_slice(text).map(|Versioned { version }| version) {
            Ok(Some(OLDEST..=NEWEST)) => {}
            Ok(Some(newer)) if newer > NEWEST => {
                return Err(StoreError {
                    what: format!("{} was written by a newer portunus (its version is {newer})", name.file),
                    hint: format!("start that one, or move it away and sign in again: {}", name.move_away()),
                });
            }
            // There has been no release that wrote another; whatever it is, it is not ours to guess at.
            Ok(older) => {
                let version = older.map_or("none".into(), |version| version.to_string());
                return Err(name.damaged(&format!("has a version that nobody reads (it is {version})")));
            }
            Err(_) => return Err(name.damaged("is damaged: it is not the JSON that was written there")),
        }
        let damaged = || name.damaged("is damaged");
        let outside: Outside<'_> = serde_json::from_slice(text).map_err(|_| damaged())?;
        if outside.identity != name.identity {
            return Err(name.damaged(&format!(
                "is the login of another identity ({})",
                outside.identity.escape_debug()
            )));
        }
        let salt = outside
            .salt
            .as_deref()
            .map(fixed::<SALT_BYTES>)
            .map(|salt| salt.ok_or_else(damaged))
            .transpose()?;
        let nonce = fixed::<NONCE_BYTES>(&outside.nonce).ok_or_else(damaged)?;
        let sealed = BASE64.decode(outside.sealed.as_bytes()).map_err(|_| damaged())?;
        let key = key.for_salt(salt.unwrap_or_default());
        if key.id() != outside.key {
            return Err(StoreError {
                what: format!("{} was sealed with another key", name.file),
                hint: format!(
                    "restore that key ([state] key, or the file sealing-key), or remove the document and sign in \
                     again: {}, then portunus login",
                    name.removal()
                ),
            });
        }
        let plain = key.open(nonce, &sealed, &name.aad(outside.version)).ok_or_else(damaged)?;
        let plain = match outside.version {
            NEWEST => plain,
            older => migrated(&plain, older).ok_or_else(damaged)?,
        };
        let inside: Inside<'_> = serde_json::from_slice(&plain).map_err(|_| damaged())?;
        let document = inside.into_document().ok_or_else(damaged)?;
        Ok((document, salt))
    }

    /// Notes that the refresh token of `generation` is about to be sent; whether that changed anything. A pair
    /// that is not stored cannot be brought back to life by a crash.
    pub(super) fn intend(&mut self, generation: Generation) -> bool {
        let session = self.session.as_ref().filter(|saved| saved.generation == generation);
        let Some(token) = session.and_then(|saved| saved.refresh.as_ref()) else { return false };
        self.intents.push(Intent::to_send(token));
        true
    }

    /// Takes the last intent of `generation` back; whether there was one.
    pub(super) fn take_back(&mut self, generation: Generation) -> bool {
        let is_its = self.session.as_ref().is_some_and(|saved| saved.generation == generation);
        is_its && self.intents.pop().is_some()
    }

    /// Puts another pair in place of the one there is, or none. No intent outlives the pair it was about.
    pub(super) fn replace(&mut self, session: Option<SavedSession>) {
        self.intents.clear();
        self.session = session;
    }

    /// Lets the pair say what the intents say: how often its refresh token was sent without an answer.
    pub(super) fn recount(&mut self) {
        let unanswered = self.unanswered();
        if let Some(session) = &mut self.session {
            session.unanswered = unanswered;
        }
    }

    fn unanswered(&self) -> u32 {
        let token = self.session.as_ref().and_then(|session| session.refresh.as_ref()).map(Intent::hash);
        let sent = self.intents.iter().filter(|intent| Some(&intent.token) == token.as_ref()).count();
        u32::try_from(sent).unwrap_or(u32::MAX)
    }
}

/// What was sealed as an earlier version, as the newest.
fn migrated(plain: &[u8], version: u64) -> Option<Zeroizing<Vec<u8>>> {
    let inside = migrate(serde_json::from_slice(plain).ok()?, version, STEPS)?;
    serde_json::to_vec(&inside).ok().map(Zeroizing::new)
}

/// What is drawn for one writing.
pub(super) struct Random {
    pub(super) nonce: [u8; NONCE_BYTES],
    pub(super) salt: [u8; SALT_BYTES],
}

/// As much as every version has.
#[derive(Deserialize)]
struct Versioned {
    version: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outside<'a> {
    version: u64,
    identity: Cow<'a, str>,
    key: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salt: Option<Cow<'a, str>>,
    nonce: Cow<'a, str>,
    sealed: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inside<'a> {
    #[serde(borrow)]
    pair: Option<Pair<'a>>,
    intents: Vec<Intent>,
    attempts: Tried,
}

/// Tokens are borrowed from the buffer that is wiped. Times are milliseconds since the epoch.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair<'a> {
    account: Option<String>,
    #[serde(borrow)]
    access: Cow<'a, str>,
    #[serde(borrow)]
    refresh: Option<Cow<'a, str>>,
    issued_at: u64,
    expires_at: u64,
    generation: u64,
    without_factor: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    latch: Option<(String, Tag)>,
    tried: Option<Tag>,
    proven: Option<Tag>,
    automatic: Vec<u64>,
    person: Vec<u64>,
    used_steps: Vec<u64>,
    used_codes: Vec<Tag>,
    /// Not in documents of the first days.
    #[serde(default)]
    used_mailed: Vec<Tag>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tag {
    salt: String,
    tag: String,
}

impl<'a> Inside<'a> {
    #[expect(clippy::disallowed_methods, reason = "sealed right after")]
    fn of(document: &'a Document) -> Self {
        let pair = document.session.as_ref().map(|session| Pair {
            account: session.account.clone(),
            access: session.access.expose().into(),
            refresh: session.refresh.as_ref().map(|token| token.expose().into()),
            issued_at: millis(session.issued_at),
            expires_at: millis(session.expires_at),
            generation: session.generation.number(),
            without_factor: session.without_factor,
        });
        Self { pair, intents: document.intents.clone(), attempts: Tried::of(&document.attempts) }
    }

    fn into_document(self) -> Option<Document> {
        let session = self.pair.map(|pair| SavedSession {
            account: pair.account,
            access: AccessToken::new(pair.access),
            refresh: pair.refresh.map(RefreshToken::new),
            issued_at: moment(pair.issued_at),
            expires_at: moment(pair.expires_at),
            generation: Generation::numbered(pair.generation),
            without_factor: pair.without_factor,
            unanswered: 0,
        });
        let mut document =
            Document { session, intents: self.intents, attempts: self.attempts.into_attempts()? };
        document.recount();
        Some(document)
    }
}

impl Tried {
    fn of(attempts: &Attempts) -> Self {
        let times = |times: &[SystemTime]| times.iter().copied().map(millis).collect();
        Self {
            latch: attempts
                .latch
                .as_ref()
                .map(|latch| (word(latch.why).to_owned(), Tag::of(&latch.credentials))),
            tried: attempts.tried.as_ref().map(Tag::of),
            proven: attempts.proven.as_ref().map(Tag::of),
            automatic: times(&attempts.automatic),
            person: times(&attempts.person),
            used_steps: attempts.used_steps.iter().map(|step| step.0).collect(),
            used_codes: attempts.used_codes.iter().map(Tag::of).collect(),
            used_mailed: attempts.used_mailed.iter().map(Tag::of).collect(),
        }
    }

    fn into_attempts(self) -> Option<Attempts> {
        let times = |times: Vec<u64>| times.into_iter().map(moment).collect();
        let tag = |tag: Option<Tag>| match tag {
            Some(tag) => tag.read().map(Some),
            None => Some(None),
        };
        let latch = match self.latch {
            Some((why, tag)) => Some(Latch { why: meant(&why)?, credentials: tag.read()? }),
            None => None,
        };
        Some(Attempts {
            latch,
            tried: tag(self.tried)?,
            proven: tag(self.proven)?,
            automatic: times(self.automatic),
            person: times(self.person),
            used_steps: self.used_steps.into_iter().map(Step).collect(),
            used_codes: self.used_codes.iter().map(Tag::read).collect::<Option<_>>()?,
            used_mailed: self.used_mailed.iter().map(Tag::read).collect::<Option<_>>()?,
        })
    }
}

impl Tag {
    fn of(tag: &CredentialsTag) -> Self {
        Self { salt: HEXLOWER.encode(&tag.salt), tag: HEXLOWER.encode(&tag.tag) }
    }

    fn read(&self) -> Option<CredentialsTag> {
        Some(CredentialsTag { salt: fixed(&self.salt)?, tag: fixed(&self.tag)? })
    }
}

/// Every reason a latch can have, by its word.
const REASONS: [(Latched, &str); 10] = [
    (Latched::Credentials, "credentials"),
    (Latched::Code, "code"),
    (Latched::BackupCode, "backup-code"),
    (Latched::MailedCode, "mailed-code"),
    (Latched::Unfinished, "unfinished"),
    (Latched::Approval, "approval"),
    (Latched::Blocked(Blocked::Locked), "locked"),
    (Latched::Blocked(Blocked::Suspended), "suspended"),
    (Latched::Blocked(Blocked::Rejected), "rejected"),
    (Latched::Blocked(Blocked::Closed), "closed"),
];

fn word(why: Latched) -> &'static str {
    REASONS.iter().find(|(reason, _)| *reason == why).map_or("credentials", |(_, word)| word)
}

fn meant(word: &str) -> Option<Latched> {
    REASONS.iter().find(|(_, written)| *written == word).map(|(reason, _)| *reason)
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn moment(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn fixed<const N: usize>(hex: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}
