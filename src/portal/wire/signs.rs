//! What an answer's envelope says, in all its forms (PROTOCOL section 5), without its data.

use std::time::Duration;

use http::StatusCode;

use super::code::{Code, Meaning};
use super::number::{Span, span_of_seconds};
use super::seen::{Member, Seen};
use crate::session::Blocked;

/// What an answer's envelope says. The default is that of a body without one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Signs {
    /// Whether the body is a JSON object at all.
    pub(crate) is_object: bool,
    success: Option<bool>,
    code: Option<Code>,
    /// An `error` that is not null: `sdk`'s way to say that `success` is false.
    has_error: bool,
    pending: Pending,
    account: Option<Account>,
    cooldown: Option<Duration>,
}

/// Where `isPendingApproval: true` stands (PROTOCOL section 12: not documented).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Pending {
    #[default]
    Nowhere,
    InData,
    OnTop,
}

/// What `accountStatus` says of an account that cannot sign in (ruling 6).
#[derive(Debug, Clone, PartialEq, Eq)]
enum Account {
    Blocked(Blocked),
    Pending,
    /// Another word: that of an account in order, or one that we do not know.
    Word(Code),
}

impl Signs {
    /// Reads a body, opened where it was sealed.
    pub(crate) fn of(body: &[u8]) -> Self {
        Seen::object(body).map(|seen| Self::seen(&seen)).unwrap_or_default()
    }

    fn seen(top: &Seen) -> Self {
        let error =
            top.member(Member::Error).filter(|error| **error != Seen::Other && **error != Seen::Bool(false));
        let data = top.member(Member::Data);
        let codes = [
            top.member(Member::Code).and_then(Code::seen),
            error.and_then(|error| Code::seen(error.member(Member::Code).unwrap_or(error))),
        ];
        let is_pending = |part: Option<&Seen>| {
            part.and_then(|part| part.member(Member::IsPendingApproval)).and_then(Seen::truth) == Some(true)
        };
        let pending = match (is_pending(Some(top)) || is_pending(error), is_pending(data)) {
            (true, _) => Pending::OnTop,
            (false, true) => Pending::InData,
            (false, false) => Pending::Nowhere,
        };
        let parts = || [data, Some(top), error].into_iter().flatten();
        let cooldown = parts().find_map(|part| match part.member(Member::CooldownSeconds)? {
            Seen::Number(seconds) => Span::of_seconds(*seconds),
            Seen::Text(text) => span_of_seconds(text),
            Seen::Other | Seen::Bool(_) | Seen::Object(_) => None,
        });
        let account = parts().find_map(|part| Account::seen(part.member(Member::AccountStatus)?));
        let [on_top, in_error] = codes;
        Self {
            is_object: true,
            success: top.member(Member::Success).and_then(Seen::truth),
            // The more telling one: a numeric code beside a dotted one only names the class.
            code: match (on_top, in_error) {
                (Some(on_top), Some(in_error)) if !on_top.is_specific() && in_error.is_specific() => {
                    Some(in_error)
                }
                (on_top, in_error) => on_top.or(in_error),
            },
            has_error: error.is_some(),
            pending,
            account,
            cooldown,
        }
    }

    /// Section 5: `success` alone decides where it is present; else HTTP 2xx and a code that starts with 2.
    /// Where there is no code either, the HTTP status is all there is.
    pub(crate) fn is_success(&self, status: StatusCode) -> bool {
        match (self.success, &self.code) {
            (Some(success), _) => success,
            (None, Some(code)) => status.is_success() && code.is_success(),
            (None, None) => status.is_success() && !self.has_error,
        }
    }

    /// The portal's code.
    pub(crate) fn code(&self) -> Option<&Code> {
        self.code.as_ref()
    }

    /// What the code says.
    pub(crate) fn meaning(&self) -> Meaning {
        self.code.as_ref().map_or(Meaning::Unknown, Code::meaning)
    }

    /// `cooldownSeconds`, wherever it stands.
    pub(crate) fn cooldown(&self) -> Option<Duration> {
        self.cooldown
    }

    /// Whether the answer to a login says that an administrator has to approve: by code, flag or status.
    pub(crate) fn is_login_pending(&self) -> bool {
        self.meaning() == Meaning::PendingApproval
            || self.pending != Pending::Nowhere
            || self.account == Some(Account::Pending)
    }

    /// Why the answer to a login says that the account cannot sign in: by code or status.
    pub(crate) fn blocked_login(&self) -> Option<Blocked> {
        if let Meaning::Blocked(blocked) = self.meaning() {
            return Some(blocked);
        }
        match &self.account {
            Some(Account::Blocked(blocked)) => Some(*blocked),
            Some(Account::Pending | Account::Word(_)) | None => None,
        }
    }

    /// Another word in `accountStatus`; it stands there only when the login cannot go on (section 6.1).
    pub(crate) fn account_word(&self) -> Option<&Code> {
        match &self.account {
            Some(Account::Word(word)) => Some(word),
            Some(Account::Blocked(_) | Account::Pending) | None => None,
        }
    }

    /// As [`Signs::is_login_pending`], for an answer to any call. There, `data` of a successful answer may be
    /// somebody else's account that waits for approval, and says nothing about ours.
    pub(crate) fn is_pending(&self, status: StatusCode) -> bool {
        let elsewhere = self.is_success(status) && self.code.is_some();
        self.meaning() == Meaning::PendingApproval
            || self.pending == Pending::OnTop
            || (self.pending == Pending::InData && !elsewhere)
            || (self.account == Some(Account::Pending) && !self.is_success(status))
    }

    /// As [`Signs::blocked_login`], for an answer to any call.
    pub(crate) fn blocked(&self, status: StatusCode) -> Option<Blocked> {
        if self.is_success(status) { None } else { self.blocked_login() }
    }
}

impl Account {
    /// A string, or `{"code":…,"value":…,"label":…}`.
    fn seen(seen: &Seen) -> Option<Self> {
        let word = Code::seen(seen.member(Member::Code).unwrap_or(seen))?;
        let last = word.as_str().rsplit('.').next().unwrap_or_default();
        Some(match last.strip_prefix("ACCOUNT_").unwrap_or(last) {
            "LOCKED" => Self::Blocked(Blocked::Locked),
            "SUSPENDED" => Self::Blocked(Blocked::Suspended),
            "REJECTED" => Self::Blocked(Blocked::Rejected),
            "CLOSED" => Self::Blocked(Blocked::Closed),
            "PENDING" | "PENDING_APPROVAL" => Self::Pending,
            _ => match word.meaning() {
                Meaning::Blocked(blocked) => Self::Blocked(blocked),
                Meaning::PendingApproval => Self::Pending,
                _ => Self::Word(word),
            },
        })
    }
}
