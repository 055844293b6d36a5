//! How one deployment spells the protocol: every documented difference and every unknown, as data.

use std::collections::BTreeMap;

use serde::Serialize;

/// Defines an enum whose values have names, so that they can be set, listed, printed and drawn by lot.
macro_rules! choice {
    ($(#[$meta:meta])* $see:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        $see enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every value.
            $see const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value's name.
            $see const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|v| v.name().eq_ignore_ascii_case(s)).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|v| v.name()).collect();
                    format!("expected one of {}", known.join(", "))
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.name())
            }
        }
    };
}
pub(crate) use choice;

/// How one deployment spells the protocol. The names of the fields are the keys of
/// [`Settings::set`](super::Settings::set).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dialect {
    /// There is a secure channel at all.
    pub channel: bool,
    /// How a sealed body is written.
    pub envelope: Envelope,
    /// The OAEP hash under which session keys must be wrapped.
    pub oaep_hash: OaepHash,
    /// The MGF1 hash under which session keys must be wrapped.
    pub mgf1_hash: OaepHash,
    /// What AES-GCM authenticates beside the body.
    pub aad: Aad,
    /// The alphabet of Base64 in what the portal writes; it reads both.
    pub base64: Base64Form,
    /// The header that names the channel.
    pub session_header: String,
    /// Sealed requests must carry `X-SC-Version: 2`.
    pub sc_version: bool,
    /// The content type that a sealed request must carry.
    pub sealed_content_type: String,
    /// Another content type on a sealed request is refused.
    pub enforce_content_type: bool,
    /// Base of the auth calls.
    pub auth_base: String,
    /// Base of initiate, mfa/send and complete; may use `{auth}`.
    pub login_base: String,
    /// Base of the channel calls.
    pub channel_base: String,
    /// Path of the refresh call; may use `{auth}`.
    pub refresh_path: String,
    /// Endpoints that refuse a plain body, by name (`login/initiate`, `token/refresh`, `transfer` …).
    pub sealed_paths: Vec<String>,
    /// How an endpoint that must be sealed is called without a body.
    pub empty_body: EmptyBody,
    /// Which answers to sealed requests are sealed.
    pub sealed_answers: SealedAnswers,
    /// `POST session` is served; where it is not, only a first message opens a channel.
    pub session_call: bool,
    /// SCv2 type 1 messages: refused, or where the new session's id comes back.
    pub type1: Type1,
    /// A repeated IV on one channel is refused.
    pub replay_check: bool,
    /// A channel serves only the client hash that opened it.
    pub channel_bound: bool,
    /// Each use of a channel prolongs it.
    pub channel_sliding: bool,
    /// Rotating the RSA key drops the channels made with the old one.
    pub rotation_drops_channels: bool,
    /// HTTP status of the refusal of a stale channel.
    pub stale_status: u16,
    /// Code of the refusal of a stale channel; empty for the vocabulary's own.
    pub stale_code: String,
    /// HTTP status of the refusal of a plain body where a sealed one is required.
    pub invalid_payload_status: u16,
    /// The shape of initiate's answer.
    pub initiate_answer: InitiateAnswer,
    /// The form in which `method` is accepted.
    pub method_form: MethodForm,
    /// The shape of mfa/send's answer.
    pub mfa_send_answer: MfaSendAnswer,
    /// Answers with tokens carry `tokenType`.
    pub token_type: bool,
    /// The vocabulary of errors.
    pub vocabulary: Vocabulary,
    /// The response envelope.
    pub response_form: ResponseForm,
    /// Optional fields of answers (`timestamp`, `message`, `createdAt` …) are left out.
    pub lean: bool,
    /// Specific errors come with HTTP 200 and `success: false`, where the envelope has `success`.
    pub soft_errors: bool,
    /// Code of an invalid or expired access token; empty for the vocabulary's own.
    pub expired_code: String,
    /// Code of a token or path of another portal; empty for the vocabulary's own.
    pub portal_mismatch_code: String,
    /// HTTP status of wrong credentials in the dotted vocabulary.
    pub credentials_status: u16,
    /// How a blocked account is reported.
    pub blocked_form: BlockedForm,
    /// Where `isPendingApproval` stands.
    pub pending_place: PendingPlace,
    /// HTTP status of a pending account's answer.
    pub pending_status: u16,
    /// Which call reports a pending account.
    pub pending_step: PendingStep,
    /// A failed complete ends the login session.
    pub failed_complete_ends: bool,
    /// A refresh answers with a new refresh token and spends the old one.
    pub refresh_rotates: bool,
    /// A spent refresh token revokes its whole family.
    pub reuse_revokes: bool,
    /// HTTP status of a refused refresh.
    pub refresh_refused_status: u16,
    /// `X-Request-Id` is required.
    pub require_request_id: bool,
    /// More headers without which a request is refused, as behind a missing edge.
    pub required_headers: Vec<String>,
    /// Other names for request fields, `endpoint.field` to name.
    pub request_fields: BTreeMap<String, String>,
}

choice! {
    /// How a sealed body is written.
    pub enum Envelope {
        /// `{"v":2,"p":"…"}`.
        #[default]
        Json = "json",
        /// The `SC` framing.
        Binary = "binary",
        /// Plain JSON under the session header.
        Raw = "raw",
    }
}

choice! {
    /// A hash inside RSA-OAEP.
    pub enum OaepHash {
        /// SHA-256.
        #[default]
        Sha256 = "sha256",
        /// SHA-1.
        Sha1 = "sha1",
    }
}

choice! {
    /// What AES-GCM authenticates beside the body.
    pub enum Aad {
        /// Nothing.
        #[default]
        None = "none",
        /// The UTF-8 text of the session id.
        SessionId = "session-id",
    }
}

choice! {
    /// The alphabet of Base64.
    pub enum Base64Form {
        /// Standard, padded.
        #[default]
        Standard = "standard",
        /// URL-safe, without padding.
        Url = "url",
    }
}

choice! {
    /// How an endpoint that must be sealed is called without a body.
    pub enum EmptyBody {
        /// With a sealed `{}`.
        #[default]
        Object = "object",
        /// With the session header alone.
        Header = "header",
    }
}

choice! {
    /// Which answers to sealed requests are sealed.
    pub enum SealedAnswers {
        /// All, from the moment the channel is known.
        #[default]
        Always = "always",
        /// Only successes.
        ErrorsPlain = "errors-plain",
        /// None.
        Never = "never",
    }
}

choice! {
    /// What becomes of a SCv2 type 1 message.
    pub enum Type1 {
        /// It is refused.
        #[default]
        Refused = "refused",
        /// The new session's id comes back in the session header.
        Header = "header",
        /// The new session's id comes back as `sessionId` beside `data`.
        Body = "body",
    }
}

choice! {
    /// The shape of initiate's answer.
    pub enum InitiateAnswer {
        /// `mfaMethods`, a list of objects.
        #[default]
        MfaMethods = "mfa-methods",
        /// The same with `accountStatus` and `label`.
        MfaMethodsStatus = "mfa-methods-status",
        /// `mfaMethods`, a list of names.
        MfaMethodNames = "mfa-method-names",
        /// `mfaRequired` and `availableMethods`.
        Available = "available",
        /// `methods`, a list of names.
        MethodNames = "method-names",
        /// `methods`, a list of integers.
        MethodNumbers = "method-numbers",
        /// `methods`, a list of objects.
        MethodObjects = "method-objects",
    }
}

choice! {
    /// The form in which `method` is accepted.
    pub enum MethodForm {
        /// The integer.
        #[default]
        Integer = "integer",
        /// The name.
        Name = "name",
        /// As initiate listed it.
        AsReceived = "as-received",
        /// Any of these.
        Any = "any",
    }
}

choice! {
    /// The shape of mfa/send's answer.
    pub enum MfaSendAnswer {
        /// `sent`, `cooldownSeconds`, `codeExpiresIn`.
        #[default]
        Cooldown = "cooldown",
        /// `sent`, `method`, `maskedTarget`.
        Masked = "masked",
    }
}

choice! {
    /// The vocabulary of errors.
    pub enum Vocabulary {
        /// Numbers for the generic errors, dotted words for the specific ones.
        #[default]
        Mixed = "mixed",
        /// Numbers only.
        Numeric = "numeric",
        /// Dotted words only.
        Dotted = "dotted",
        /// The older `U1060` codes; what they lack is numeric.
        U = "u",
    }
}

choice! {
    /// The response envelope.
    pub enum ResponseForm {
        /// All fields, version 2.0.0.
        #[default]
        V200 = "2.0.0",
        /// All fields, version 1.3.0.
        V130 = "1.3.0",
        /// `code`, `message`, `data`.
        Reduced = "reduced",
        /// `success`, `data`, `error{code,message}`.
        Sdk = "sdk",
    }
}

choice! {
    /// How a blocked account is reported.
    pub enum BlockedForm {
        /// As an error.
        #[default]
        Error = "error",
        /// As a success whose `accountStatus` is a word.
        StatusName = "status-name",
        /// As a success whose `accountStatus` is an object with `code`.
        StatusObject = "status-object",
    }
}

choice! {
    /// Where `isPendingApproval` stands.
    pub enum PendingPlace {
        /// In `data`.
        #[default]
        Data = "data",
        /// Beside `data`.
        TopLevel = "top-level",
    }
}

choice! {
    /// Which call reports a pending account.
    pub enum PendingStep {
        /// Initiate.
        #[default]
        Initiate = "initiate",
        /// Complete.
        Complete = "complete",
    }
}
