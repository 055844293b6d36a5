//! The documented dialects.

use std::collections::BTreeMap;

use super::dialect::{
    Aad, Base64Form, BlockedForm, Dialect, EmptyBody, Envelope, InitiateAnswer, MethodForm, MfaSendAnswer,
    OaepHash, PendingPlace, PendingStep, ResponseForm, SealedAnswers, Type1, Vocabulary, choice,
};

choice! {
    /// A documented dialect.
    pub enum Preset {
        /// The integration guide's.
        #[default]
        Guide = "guide",
        /// The strict SCv2 handbook's, with binary envelopes.
        Scv2 = "scv2",
        /// The web SDK's.
        Sdk = "sdk",
        /// The wiki's.
        Wiki = "wiki",
        /// The guide's, without any secure channel.
        Plain = "plain",
    }
}

/// Endpoints that need the channel in `guide`, `sdk` and `wiki`.
pub(super) const SEALED: [&str; 10] = [
    "login/initiate",
    "mfa/send",
    "login/complete",
    "register/initiate",
    "register/verify",
    "password/forgot",
    "password/reset",
    "password/init",
    "password/change",
    "security/mfa/otp/verify",
];

impl Preset {
    /// The preset's dialect.
    pub fn dialect(self) -> Dialect {
        let guide = guide();
        match self {
            Self::Guide => guide,
            Self::Scv2 => Dialect {
                envelope: Envelope::Binary,
                session_header: "X-SC-Session-Id".to_owned(),
                sc_version: true,
                sealed_content_type: "application/json;charset=UTF-8".to_owned(),
                sealed_paths: SEALED.iter().copied().chain(["token/refresh"]).map(str::to_owned).collect(),
                initiate_answer: InitiateAnswer::MfaMethodsStatus,
                vocabulary: Vocabulary::Dotted,
                ..guide
            },
            Self::Sdk => Dialect {
                session_header: "X-SC-Session-Id".to_owned(),
                sc_version: true,
                auth_base: "/auth".to_owned(),
                login_base: "/login".to_owned(),
                channel_base: "/sc".to_owned(),
                refresh_path: "/auth/refresh".to_owned(),
                initiate_answer: InitiateAnswer::MethodObjects,
                method_form: MethodForm::AsReceived,
                vocabulary: Vocabulary::Dotted,
                response_form: ResponseForm::Sdk,
                ..guide
            },
            Self::Wiki => Dialect {
                auth_base: "/web/v1/users/self/auth".to_owned(),
                initiate_answer: InitiateAnswer::Available,
                method_form: MethodForm::Name,
                mfa_send_answer: MfaSendAnswer::Masked,
                token_type: true,
                vocabulary: Vocabulary::Numeric,
                response_form: ResponseForm::V130,
                ..guide
            },
            Self::Plain => Dialect { channel: false, sealed_paths: Vec::new(), ..guide },
        }
    }
}

fn guide() -> Dialect {
    Dialect {
        channel: true,
        envelope: Envelope::Json,
        oaep_hash: OaepHash::Sha256,
        mgf1_hash: OaepHash::Sha256,
        aad: Aad::None,
        base64: Base64Form::Standard,
        session_header: "X-Secure-Channel-Session-Id".to_owned(),
        sc_version: false,
        sealed_content_type: "application/json".to_owned(),
        enforce_content_type: true,
        auth_base: "/web/v1/{portal}/auth".to_owned(),
        login_base: "{auth}/login".to_owned(),
        channel_base: "/web/v1/secure-channel".to_owned(),
        refresh_path: "{auth}/token/refresh".to_owned(),
        sealed_paths: SEALED.map(str::to_owned).to_vec(),
        empty_body: EmptyBody::Object,
        sealed_answers: SealedAnswers::Always,
        session_call: true,
        type1: Type1::Refused,
        replay_check: true,
        channel_bound: false,
        channel_sliding: false,
        rotation_drops_channels: true,
        stale_status: 400,
        stale_code: String::new(),
        invalid_payload_status: 400,
        initiate_answer: InitiateAnswer::MfaMethods,
        method_form: MethodForm::Integer,
        mfa_send_answer: MfaSendAnswer::Cooldown,
        token_type: false,
        vocabulary: Vocabulary::Mixed,
        response_form: ResponseForm::V200,
        lean: false,
        soft_errors: false,
        expired_code: String::new(),
        portal_mismatch_code: String::new(),
        credentials_status: 401,
        blocked_form: BlockedForm::Error,
        pending_place: PendingPlace::Data,
        pending_status: 200,
        pending_step: PendingStep::Initiate,
        failed_complete_ends: true,
        refresh_rotates: true,
        reuse_revokes: true,
        refresh_refused_status: 401,
        require_request_id: false,
        required_headers: Vec::new(),
        request_fields: BTreeMap::new(),
    }
}
