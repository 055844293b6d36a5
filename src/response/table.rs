//! What the client is told, situation by situation: the one table of all errors.
//!
//! 503 is every "not signed in" (401 always means that the portal said it); 502 and 504 are the way to the
//! portal; 4xx is the client's request. The problem's `type` is `urn:portunus:problem:` and the code, and stays
//! what it is for good; `error` is a type of RFC 9209 section 2.3.

use http::StatusCode;

/// What the client is told about one situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The HTTP status.
    pub status: StatusCode,
    /// Stable code; the problem's `type` ends with it.
    pub code: &'static str,
    /// The situation in a few words; the same for each of its kind.
    pub title: &'static str,
    /// The error type of RFC 9209.
    pub error: &'static str,
    /// Where the cause lies.
    pub who: Who,
    /// Whether the same request can simply be sent again later.
    pub retryable: bool,
    /// What to do; may be empty.
    pub hint: &'static str,
}

/// Where the cause lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The request.
    Client,
    /// The proxy, its sign-in or its configuration.
    Proxy,
    /// The portal.
    Portal,
    /// What lies in between.
    Network,
}

impl Who {
    /// As it is written in a problem.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Proxy => "proxy",
            Self::Portal => "portal",
            Self::Network => "network",
        }
    }
}

const CLIENT: Who = Who::Client;
const PROXY: Who = Who::Proxy;
const PORTAL: Who = Who::Portal;
const NETWORK: Who = Who::Network;
const AGAIN: bool = true;
const NEVER: bool = false;

macro_rules! table {
    ($($name:ident: $status:literal, $code:literal, $title:literal, $error:literal, $who:ident, $again:ident, $hint:literal;)*) => {
        $(pub(super) const $name: Row = Row {
            // A status that is none would be seen by the test that looks at every row.
            status: match StatusCode::from_u16($status) { Ok(s) => s, Err(_) => StatusCode::INTERNAL_SERVER_ERROR },
            code: $code, title: $title, error: $error, who: $who, retryable: $again, hint: $hint,
        };)*

        /// Every row, for those who document or check them.
        pub const TABLE: &[Row] = &[$($name),*];
    };
}

#[rustfmt::skip]
table! {
    // the request
    BODY_TOO_LARGE:      413, "body-too-large",              "request body too large",                  "http_request_error",       CLIENT,  NEVER, "raise limits.sealed_body, or send it on a plain route";
    CLIENT_BODY_BROKEN:  400, "client-body-broken",          "request body broke off",                  "http_request_error",       CLIENT,  NEVER, "send the request again, whole";
    CLIENT_BODY_TIMEOUT: 408, "client-body-timeout",         "request body timed out",                  "http_request_error",       CLIENT,  AGAIN, "send the request again, faster; upstream.body_idle_timeout is the limit";
    // the proxy
    SHUTTING_DOWN:       503, "shutting-down",               "proxy is shutting down",                  "proxy_internal_response",  PROXY,   AGAIN, "wait until it is up again";
    OVERLOADED:          503, "overloaded",                  "proxy is overloaded",                     "connection_limit_reached", PROXY,   AGAIN, "raise limits.in_flight if this happens often";
    CROWDED:             503, "identity-overloaded",         "identity has too many requests under way", "connection_limit_reached", PROXY,  AGAIN, "raise limits.in_flight_each, or in_flight of the identity, if this happens often";
    NO_ROOM:             503, "no-room",                     "no room for the body",                    "connection_limit_reached", PROXY,   AGAIN, "raise limits.held_bytes if this happens often";
    INTERNAL:            500, "internal",                    "fault in the proxy",                      "proxy_internal_error",     PROXY,   NEVER, "see the proxy's log under this request's id";
    // the sign-in
    MFA_REQUIRED:        503, "mfa-required",                "sign-in waits for a code",                "http_request_denied",      PROXY,   AGAIN, "enter the code: portunus login";
    SIGN_IN_REQUIRED:    503, "sign-in-required",            "sign-in required",                        "http_request_denied",      PROXY,   AGAIN, "sign in: portunus login";
    SIGNED_OUT:          503, "signed-out",                  "signed out",                              "http_request_denied",      PROXY,   AGAIN, "sign in: portunus login";
    NO_BACKUP_CODE:      503, "no-backup-code",              "no backup code can be used",              "http_request_denied",      PROXY,   NEVER, "put new codes where login.backup_codes says, or sign in by another factor: portunus login";
    CODE_SOURCE_FAILED:  503, "code-source-failed",          "code cannot be fetched",                  "proxy_internal_error",     PROXY,   AGAIN, "see the proxy's log, or enter the code: portunus login";
    CREDENTIALS_REFUSED: 503, "credentials-refused",         "portal refused the credentials",          "http_request_denied",      PROXY,   NEVER, "correct e-mail or password in [login], or sign in by hand: portunus login";
    PENDING_APPROVAL:    503, "pending-approval",            "account waits for approval",              "http_request_denied",      PORTAL,  NEVER, "ask the portal's administrator to approve the account";
    ACCOUNT_BLOCKED:     503, "account-blocked",             "account is blocked",                      "http_request_denied",      PORTAL,  NEVER, "ask the portal's administrator, then: portunus login";
    FINGERPRINT:         503, "fingerprint-mismatch",        "client hash does not match",              "http_request_denied",      PROXY,   NEVER, "set portal.client_hash back to the one of this login, or sign in anew: portunus login";
    RISK_CHALLENGE:      503, "risk-challenge",              "portal asks for a risk challenge",        "http_request_denied",      PORTAL,  NEVER, "pass the challenge in the portal's own front end, then: portunus login";
    SIGN_IN_LIMITED:     503, "sign-in-rate-limited",        "portal limits sign-in",                   "destination_unavailable",  PORTAL,  AGAIN, "wait; every further attempt makes it longer";
    SIGN_IN_FAILED:      503, "sign-in-failed",              "sign-in failed",                          "destination_unavailable",  PORTAL,  AGAIN, "see what is wrong: portunus check";
    SIGN_IN_TIMEOUT:     503, "sign-in-timeout",             "sign-in takes too long",                  "destination_unavailable",  PORTAL,  AGAIN, "see what it waits for: portunus status";
    NO_CHANNEL:          500, "no-secure-channel",           "dialect has no secure channel",           "proxy_configuration_error", PROXY,  NEVER, "choose another dialect in [portal], or set protect = \"plain\" for this path";
    STATE_UNUSABLE:      503, "state-unusable",              "stored login cannot be used",             "proxy_internal_error",     PROXY,   AGAIN, "see the proxy's log; the state directory, or the Redis of state.store, must be readable and writable";
    QUEUE_FULL:          503, "sign-in-queue-full",          "too many requests wait for sign-in",      "connection_limit_reached", PROXY,   AGAIN, "send fewer requests until the sign-in is done";
    // the secure channel
    KEY_UNREADABLE:      502, "portal-key-unreadable",       "portal's key is unreadable",              "http_protocol_error",      PORTAL,  NEVER, "check [dialect]; see: portunus check";
    KEY_WEAK:            502, "portal-key-weak",             "portal's key is too weak",                "http_protocol_error",      PORTAL,  NEVER, "the portal's operator has to make a key of at least 2048 bits";
    KEY_NOT_PINNED:      502, "portal-key-not-pinned",       "portal's key is not the pinned one",      "http_protocol_error",      PORTAL,  NEVER, "if the portal's operator confirms the new key, update the pin; else somebody is in between";
    SESSION_ID_UNUSABLE: 502, "portal-session-id-unusable",  "portal's session id is unusable",         "http_protocol_error",      PORTAL,  NEVER, "ask the portal's operator; see: portunus check";
    MESSAGE_TOO_LONG:    413, "message-too-long",            "message too long to be sealed",           "http_request_error",       CLIENT,  NEVER, "send less than 64 GiB in one request";
    NO_RANDOMNESS:       500, "no-randomness",               "no randomness",                           "proxy_internal_error",     PROXY,   AGAIN, "check the operating system's random source";
    WORN_OUT:            503, "channel-worn-out",            "secure channel is worn out",              "proxy_internal_error",     PROXY,   AGAIN, "send the request again: a new channel is opened";
    DOES_NOT_OPEN:       502, "answer-does-not-open",        "answer does not open",                    "http_protocol_error",      PORTAL,  NEVER, "the portal may have acted: look before you send it again; check aad and envelope in [dialect]";
    ANSWERED_PLAIN:      502, "sealed-route-answered-plain", "answer came in the clear",                "http_protocol_error",      PORTAL,  NEVER, "if this path is not sealed, give it a [[route]] with protect = \"plain\"";
    OUTCOME_UNKNOWN:     502, "outcome-unknown",             "outcome unknown",                         "http_response_incomplete", NETWORK, NEVER, "look up whether it was done before you send it again";
    // the way to the portal
    NAME_NOT_FOUND:      502, "portal-name-not-found",       "portal's name does not resolve",          "dns_error",                NETWORK, AGAIN, "check the host in upstream.url, and this machine's network";
    UNREACHABLE:         502, "portal-unreachable",          "portal cannot be reached",                "destination_unavailable",  NETWORK, AGAIN, "check host and port in upstream.url, and whether the portal is up";
    NO_WAY:              502, "forward-proxy-refuses",       "no way through the forward proxy",        "proxy_configuration_error", NETWORK, NEVER, "see: portunus check";
    LOOP:                502, "portal-is-the-proxy",         "portal's address is the proxy's own",     "proxy_loop_detected",      PROXY,   NEVER, "set upstream.url to the portal's own address";
    CAME_BACK:           502, "request-came-back",           "request came back to the proxy",          "proxy_loop_detected",      PROXY,   NEVER, "something behind upstream.url sends requests back here: set it to the portal's own address";
    CONNECT_TIMEOUT:     504, "portal-connect-timeout",      "connecting to the portal takes too long", "connection_timeout",       NETWORK, AGAIN, "check the network and firewall; upstream.connect_timeout is the limit";
    CERTIFICATE:         502, "portal-certificate",          "portal's certificate cannot be trusted",  "tls_certificate_error",    PORTAL,  NEVER, "see: portunus check";
    NO_TLS:              502, "portal-tls",                  "no TLS with the portal",                  "tls_protocol_error",       PORTAL,  NEVER, "see: portunus check";
    BROKEN:              502, "portal-connection-broken",    "connection to the portal broke",          "connection_terminated",    NETWORK, NEVER, "the portal may have acted: look before you send it again";
    TIMEOUT:             504, "portal-timeout",              "portal does not answer",                  "http_response_timeout",    PORTAL,  NEVER, "the portal may have acted: look before you send it again; upstream.head_timeout is the limit";
    UPLOAD_STALLED:      504, "upload-stalled",              "portal reads no further",                 "connection_write_timeout", PORTAL,  NEVER, "upstream.body_idle_timeout is the limit";
    ANSWER_TOO_LARGE:    502, "answer-too-large",            "answer too large",                        "http_response_body_size",  PORTAL,  NEVER, "the portal has acted; raise limits.sealed_answer";
    ANSWER_NOT_HELD:     503, "answer-not-held",             "no room for the answer",                  "http_response_body_size",  PROXY,   NEVER, "the portal has acted: look before you send it again; raise limits.held_bytes";
    ANSWER_BROKEN:       502, "answer-broken",               "answer broke off",                        "http_response_incomplete", NETWORK, NEVER, "the portal has acted: look before you send it again";
    ANSWER_STALLED:      504, "answer-stalled",              "answer stands still",                     "connection_read_timeout",  PORTAL,  NEVER, "the portal has acted: look before you send it again; upstream.body_idle_timeout is the limit";
    BEARER_ENDED:        503, "bearer-ended",                "bearer of this answer has ended",         "connection_terminated",    PROXY,   AGAIN, "send the request again; at_expiry is \"close\" here";
    ANSWER_INVALID:      502, "answer-invalid",              "answer is not valid HTTP",                "http_protocol_error",      PORTAL,  NEVER, "ask the portal's operator, with this request's id";
}
