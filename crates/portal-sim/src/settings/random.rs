//! A dialect drawn by lot: every setting independently, from what some deployment could plausibly do.

use super::dialect::{
    Aad, Base64Form, BlockedForm, Dialect, EmptyBody, Envelope, InitiateAnswer, MethodForm, MfaSendAnswer,
    OaepHash, PendingPlace, PendingStep, ResponseForm, SealedAnswers, Type1, Vocabulary,
};
use super::presets::{Preset, SEALED};

pub(super) fn dialect(seed: u64) -> Dialect {
    let mut lot = Lot(seed ^ 0x5EED_0F0A_11D1_A1EC);
    let mut dialect = Preset::Guide.dialect();
    dialect.channel = !lot.one_in(10);
    dialect.envelope = lot.of(Envelope::ALL);
    dialect.oaep_hash = lot.of(OaepHash::ALL);
    dialect.mgf1_hash = lot.of(OaepHash::ALL);
    dialect.aad = lot.of(Aad::ALL);
    dialect.base64 = lot.of(Base64Form::ALL);
    dialect.session_header = lot.of(&["X-Secure-Channel-Session-Id", "X-SC-Session-Id"]).to_owned();
    dialect.sc_version = lot.coin();
    dialect.sealed_content_type = lot.of(&["application/json", "application/json;charset=UTF-8"]).to_owned();
    dialect.enforce_content_type = lot.coin();
    (dialect.auth_base, dialect.login_base, dialect.refresh_path) = lot.of(&AUTH_BASES).into_owned();
    dialect.channel_base =
        lot.of(&["/web/v1/secure-channel", "/web/v1/{portal}/secure-channel", "/sc"]).to_owned();
    dialect.sealed_paths = SEALED.map(str::to_owned).to_vec();
    if lot.coin() {
        dialect.sealed_paths.push("token/refresh".to_owned());
    }
    if lot.coin() {
        dialect.sealed_paths.push("security/mfa/otp/setup".to_owned());
    }
    dialect.empty_body = lot.of(EmptyBody::ALL);
    dialect.sealed_answers = lot.of(SealedAnswers::ALL);
    dialect.type1 = lot.of(Type1::ALL);
    dialect.replay_check = lot.coin();
    dialect.channel_bound = lot.coin();
    dialect.channel_sliding = lot.coin();
    dialect.rotation_drops_channels = lot.coin();
    dialect.stale_status = lot.of(&[400, 401, 403, 404, 409]);
    dialect.initiate_answer = lot.of(InitiateAnswer::ALL);
    dialect.method_form = lot.of(&[MethodForm::Integer, MethodForm::Name, MethodForm::AsReceived]);
    dialect.mfa_send_answer = lot.of(MfaSendAnswer::ALL);
    dialect.token_type = lot.coin();
    dialect.vocabulary = lot.of(Vocabulary::ALL);
    dialect.response_form = lot.of(ResponseForm::ALL);
    dialect.lean = lot.one_in(4);
    dialect.expired_code = lot.of(&["", "", "ACCESS.TOKEN_EXPIRED", "4010"]).to_owned();
    dialect.credentials_status = lot.of(&[401, 400]);
    dialect.blocked_form = lot.of(BlockedForm::ALL);
    dialect.pending_place = lot.of(PendingPlace::ALL);
    dialect.pending_status = lot.of(&[200, 202, 403]);
    dialect.pending_step = lot.of(PendingStep::ALL);
    dialect.failed_complete_ends = lot.coin();
    dialect.refresh_rotates = !lot.one_in(4);
    dialect.refresh_refused_status = lot.of(&[401, 400, 403]);
    dialect.require_request_id = lot.coin();
    // A stale channel in numbers is told by 400/4000 alone, so only a dotted code may have another status.
    if dialect.stale_status != 400 {
        dialect.stale_code = "SECURE_CHANNEL.SESSION_NOT_FOUND".to_owned();
    }
    if dialect.channel && dialect.envelope == Envelope::Binary && dialect.type1 != Type1::Refused {
        dialect.session_call = lot.coin();
    }
    if !dialect.channel {
        dialect.sealed_paths.clear();
    }
    dialect
}

#[derive(Clone, Copy)]
struct AuthBases(&'static str, &'static str, &'static str);

impl AuthBases {
    fn into_owned(self) -> (String, String, String) {
        (self.0.to_owned(), self.1.to_owned(), self.2.to_owned())
    }
}

const AUTH_BASES: [AuthBases; 3] = [
    AuthBases("/web/v1/{portal}/auth", "{auth}/login", "{auth}/token/refresh"),
    AuthBases("/web/v1/users/self/auth", "{auth}/login", "{auth}/token/refresh"),
    AuthBases("/auth", "/login", "/auth/refresh"),
];

/// SplitMix64: small, and the same on every machine, which is all that a seed has to promise.
struct Lot(u64);

impl Lot {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.draw() % (n as u64)).unwrap_or(0)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn coin(&mut self) -> bool {
        self.one_in(2)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_dialect() {
        assert_eq!(dialect(7), dialect(7));
        assert_ne!(dialect(7), dialect(8));
    }
}
