//! The calls, over a door that answers from a script.

mod liberal;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, StatusCode};
use serde_json::{Value, json};

use super::bootstrap::Opened;
use super::door::{Answered, Door, Lost, Parcel};
use super::*;
use crate::channel::ChannelError;
use crate::portal::{MethodForm, Preset};
use crate::secret::Expose;
use crate::session::{Blocked, FactorKind, PortalErrorKind as Kind, Skew};

/// What the script says of one call.
enum Line {
    Answer(u16, Bytes),
    Lost(Lost),
    Silence,
}

#[derive(Default)]
struct Script {
    lines: Mutex<VecDeque<Line>>,
    sent: Mutex<Vec<Sent>>,
}

/// What left, as far as the tests look.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    method: HttpMethod,
    path: String,
    body: String,
    /// The session header's value of a sealed call.
    sealed_for: Option<String>,
    extra: Vec<(HeaderName, String)>,
}

impl Door for Script {
    async fn carry(&self, parcel: Parcel, limit: usize) -> Result<Answered, Lost> {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let sent = match parcel {
            Parcel::Plain { method, path, json, extra } => Sent {
                method,
                path,
                body: json.map(text).unwrap_or_default(),
                sealed_for: None,
                extra: extra.into_iter().map(|(n, v)| (n, v.to_str().unwrap().to_owned())).collect(),
            },
            Parcel::Sealed { path, envelope, session, bearer } => Sent {
                method: HttpMethod::POST,
                path,
                body: text(envelope),
                sealed_for: session.map(|session| session.to_str().unwrap().to_owned()),
                extra: bearer
                    .map(|b| (http::header::AUTHORIZATION, b.to_str().unwrap().to_owned()))
                    .into_iter()
                    .collect(),
            },
        };
        self.sent.lock().unwrap().push(sent);
        let line = self.lines.lock().unwrap().pop_front().expect("one call more than the script has lines");
        match line {
            Line::Answer(_, body) if body.len() > limit => Err(Lost::Unknown("larger than may be".into())),
            Line::Answer(status, body) => {
                let status = StatusCode::from_u16(status).unwrap();
                let mut headers = HeaderMap::new();
                headers.insert(http::header::DATE, HeaderValue::from_static("Sun, 03 Mar 2024 12:00:00 GMT"));
                Ok(Answered { status, headers, body })
            }
            Line::Lost(lost) => Err(lost),
            Line::Silence => std::future::pending().await,
        }
    }
}

fn answer(status: u16, body: Value) -> Line {
    Line::Answer(status, body.to_string().into())
}

fn sealed_answer(status: u16, body: Value) -> Line {
    Line::Answer(status, format!("sealed:{body}").into())
}

fn data(data: Value) -> Value {
    json!({"success": true, "code": "2000", "data": data})
}

fn refusal(code: &str) -> Value {
    json!({"success": false, "code": code, "data": null})
}

fn lost() -> Line {
    Line::Lost(Lost::Unknown("cut off".into()))
}

/// Noon of the script's `Date`, minus a minute.
fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_467_200 - 60)
}

fn caller(preset: Preset, lines: impl IntoIterator<Item = Line>) -> Caller<Script> {
    let script = Script { lines: Mutex::new(lines.into_iter().collect()), ..Script::default() };
    let mut caller = Caller::new(script, Dialect::preset(preset, "tenant"));
    caller.wall = Arc::new(wall);
    caller.is_envelope = |body| body.starts_with(b"sealed:");
    caller
}

impl Caller<Script> {
    fn sent(&self) -> Vec<Sent> {
        assert!(self.door.lines.lock().unwrap().is_empty(), "the script has lines left");
        self.door.sent.lock().unwrap().clone()
    }
}

/// A channel that any eye can read.
struct Glass {
    opened_at: SystemTime,
}

impl Glass {
    fn aged(seconds: u64) -> Self {
        Self { opened_at: wall() - Duration::from_secs(seconds) }
    }
}

impl Sealer for Glass {
    fn seal(&self, plain: &[u8]) -> Result<Bytes, ChannelError> {
        Ok([b"sealed:", plain].concat().into())
    }

    fn open(&self, body: &[u8], _: Option<&str>) -> Result<Bytes, ChannelError> {
        let plain = body.strip_prefix(b"sealed:").filter(|plain| plain.starts_with(b"{"));
        plain.map(Bytes::copy_from_slice).ok_or(ChannelError::DoesNotOpen)
    }

    fn session(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("sess_1"))
    }

    fn settle(&self, _: Option<&str>) {}

    fn opened_at(&self) -> SystemTime {
        self.opened_at
    }
}

/// A channel whose keys are worn out.
struct Worn;

impl Sealer for Worn {
    fn seal(&self, _: &[u8]) -> Result<Bytes, ChannelError> {
        Err(ChannelError::WornOut)
    }

    fn open(&self, _: &[u8], _: Option<&str>) -> Result<Bytes, ChannelError> {
        Err(ChannelError::DoesNotOpen)
    }

    fn session(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("sess_1"))
    }

    fn settle(&self, _: Option<&str>) {}

    fn opened_at(&self) -> SystemTime {
        wall()
    }
}

fn password() -> Password {
    Password::new("correct horse")
}

fn login() -> LoginSessionId {
    LoginSessionId::new("login-1")
}

async fn initiate(caller: &Caller<Script>, channel: Option<&dyn Sealer>) -> Result<Initiated, PortalError> {
    caller.initiate("a@b.c", &password(), channel).await
}

async fn initiate_refused(preset: Preset, line: Line) -> PortalError {
    let caller = caller(preset, [line]);
    let glass = Glass::aged(60);
    let error = initiate(&caller, Some(&glass)).await.unwrap_err();
    assert_eq!(caller.sent().len(), 1, "each call is one attempt");
    error
}

#[tokio::test]
async fn section_6_1_initiate_leaves_sealed_and_its_answer_is_opened() {
    let caller =
        caller(Preset::Guide, [sealed_answer(200, data(json!({"sessionId": "s", "methods": ["OTP"]})))]);
    let glass = Glass::aged(60);
    let initiated = initiate(&caller, Some(&glass)).await.unwrap();
    assert_eq!(initiated.methods[0].kind, FactorKind::Otp);
    let expected = Sent {
        method: HttpMethod::POST,
        path: "/web/v1/tenant/auth/login/initiate".into(),
        body: r#"sealed:{"email":"a@b.c","password":"correct horse"}"#.into(),
        sealed_for: Some("sess_1".into()),
        extra: Vec::new(),
    };
    assert_eq!(caller.sent(), [expected]);
}

#[tokio::test]
async fn section_3_6_a_deployment_without_a_channel_gets_plain_calls() {
    let caller = caller(Preset::Plain, [answer(200, data(json!({"sessionId": "s"})))]);
    assert!(initiate(&caller, None).await.unwrap().methods.is_empty());
    let sent = caller.sent();
    assert_eq!(sent[0].body, r#"{"email":"a@b.c","password":"correct horse"}"#);
    assert_eq!(sent[0].sealed_for, None);
}

#[tokio::test]
async fn a_call_that_is_sealed_never_leaves_plain_for_want_of_a_channel() {
    let caller = caller(Preset::Guide, []);
    let error = initiate(&caller, None).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotSent(_)), "{error}");
    assert_eq!(caller.sent(), []);
}

#[tokio::test]
async fn a_worn_channel_asks_for_another_before_anything_is_sent() {
    let caller = caller(Preset::Guide, []);
    assert_eq!(initiate(&caller, Some(&Worn)).await.unwrap_err().kind, Kind::ChannelStale);
}

#[tokio::test]
async fn a_plain_success_to_a_sealed_call_is_not_believed() {
    let error = initiate_refused(Preset::Guide, answer(200, data(json!({"sessionId": "s"})))).await;
    assert!(
        matches!(&error.kind, Kind::OutcomeUnknown(why) if why.contains("accept_plain_success")),
        "{error}"
    );
    let mut lenient = caller(Preset::Guide, [answer(200, data(json!({"sessionId": "s"})))]);
    Arc::make_mut(&mut lenient.dialect).accept_plain_success = true;
    assert!(initiate(&lenient, Some(&Glass::aged(60))).await.is_ok());
}

#[tokio::test]
async fn section_4_an_error_to_a_sealed_call_may_be_plain_or_sealed() {
    for line in [
        answer(401, refusal("AUTH.INVALID_CREDENTIALS")),
        sealed_answer(401, refusal("AUTH.INVALID_CREDENTIALS")),
        sealed_answer(200, refusal("AUTH.INVALID_CREDENTIALS")),
    ] {
        let error = initiate_refused(Preset::Guide, line).await;
        assert_eq!(error.kind, Kind::CredentialsRefused);
        assert_eq!(error.code.as_deref(), Some("AUTH.INVALID_CREDENTIALS"));
        assert_eq!(error.call, "login/initiate");
    }
}

#[tokio::test]
async fn ruling_1_an_answer_that_does_not_open_has_an_unknown_outcome() {
    for status in [200, 400, 500] {
        let error = initiate_refused(Preset::Guide, Line::Answer(status, "sealed:garbage".into())).await;
        assert!(matches!(error.kind, Kind::OutcomeUnknown(_)), "{error}");
        assert_eq!(error.status, Some(status));
    }
}

#[tokio::test]
async fn a_sealed_answer_to_a_plain_call_has_an_unknown_outcome() {
    let caller = caller(Preset::Plain, [sealed_answer(200, data(json!({"sessionId": "s"})))]);
    let error = initiate(&caller, None).await.unwrap_err();
    assert!(matches!(error.kind, Kind::OutcomeUnknown(_)), "{error}");
}

#[tokio::test]
async fn section_13_what_never_left_is_not_sent_and_what_was_lost_is_unknown() {
    let error = initiate_refused(Preset::Guide, Line::Lost(Lost::NotSent("no route".into()))).await;
    assert_eq!(error.kind, Kind::NotSent("no route".into()));
    let error = initiate_refused(Preset::Guide, lost()).await;
    assert_eq!(error.kind, Kind::OutcomeUnknown("cut off".into()));
}

#[tokio::test]
async fn a_portal_that_says_nothing_is_given_up_after_the_deadline() {
    let mut caller = caller(Preset::Plain, [Line::Silence]);
    caller.settings.call_timeout = Duration::from_millis(1);
    let error = initiate(&caller, None).await.unwrap_err();
    assert_eq!(error.kind, Kind::OutcomeUnknown("no whole answer within 1ms".into()));
}

#[tokio::test]
async fn an_answer_of_one_mebibyte_is_read_and_one_byte_more_is_not() {
    assert_eq!(Settings::default().max_answer, 1 << 20);
    for (size, is_read) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let mut body = data(json!({"sessionId": "s"})).to_string().into_bytes();
        body.resize(size, b' ');
        let caller = caller(Preset::Plain, [Line::Answer(200, body.into())]);
        assert_eq!(initiate(&caller, None).await.is_ok(), is_read, "{size}");
    }
}

#[tokio::test]
async fn ruling_2_a_channel_of_five_seconds_is_not_fresh_any_more() {
    for (age, expected) in [(4, Kind::Refused), (5, Kind::ChannelStale)] {
        let caller = caller(Preset::Guide, [answer(400, refusal("4000"))]);
        let error = initiate(&caller, Some(&Glass::aged(age))).await.unwrap_err();
        assert_eq!(error.kind, expected, "{age}");
    }
    let caller = caller(Preset::Guide, [answer(400, refusal("4000"))]);
    let from_the_future = Glass { opened_at: wall() + Duration::from_secs(3600) };
    assert_eq!(initiate(&caller, Some(&from_the_future)).await.unwrap_err().kind, Kind::Refused);
}

#[tokio::test]
async fn section_13_a_plain_call_that_needs_the_channel_is_sealed_from_then_on() {
    let renewed = data(json!({"accessToken": "a", "expiresIn": 60}));
    let lines = [answer(400, refusal("SECURE_CHANNEL.INVALID_PAYLOAD")), sealed_answer(200, renewed)];
    let caller = caller(Preset::Guide, lines);
    let token = RefreshToken::new("r");
    assert!(!caller.seals(Endpoint::Refresh));
    assert_eq!(caller.refresh(&token, None).await.unwrap_err().kind, Kind::ChannelStale);
    assert!(caller.seals(Endpoint::Refresh));
    assert!(caller.refresh(&token, Some(&Glass::aged(0))).await.is_ok());
    let sent = caller.sent();
    assert_eq!(sent[0].body, r#"{"refreshToken":"r"}"#);
    assert_eq!(sent[1].body, r#"sealed:{"refreshToken":"r"}"#);
}

#[tokio::test]
async fn without_a_channel_to_seal_under_nothing_is_learnt() {
    let caller = caller(Preset::Plain, [answer(400, refusal("SECURE_CHANNEL.INVALID_PAYLOAD"))]);
    let error = initiate(&caller, None).await.unwrap_err();
    assert_eq!(error.kind, Kind::Refused);
    assert_eq!(error.code.as_deref(), Some("SECURE_CHANNEL.INVALID_PAYLOAD"));
    assert!(!caller.seals(Endpoint::Initiate));
}

#[tokio::test]
async fn section_6_1_pending_approval_ends_the_login_wherever_it_stands() {
    for body in [
        json!({"success": true, "code": "2101", "data": {"sessionId": "s"}}),
        json!({"success": true, "code": "2000", "data": {"sessionId": "s", "isPendingApproval": true}}),
        json!({"success": true, "code": "2000", "isPendingApproval": true, "data": {"sessionId": "s"}}),
        json!({"success": true, "data": {"accountStatus": {"code": "PENDING_APPROVAL"}, "sessionId": null}}),
        refusal("U1010"),
    ] {
        let error = initiate_refused(Preset::Guide, sealed_answer(200, body.clone())).await;
        assert_eq!(error.kind, Kind::PendingApproval, "{body}");
    }
}

#[tokio::test]
async fn ruling_6_account_status_ends_the_login_in_any_form() {
    for status in [json!("LOCKED"), json!({"code": "LOCKED", "value": 4, "label": "x"})] {
        let body = data(json!({"sessionId": null, "accountStatus": status}));
        let error = initiate_refused(Preset::Guide, sealed_answer(200, body)).await;
        assert_eq!(error.kind, Kind::Blocked(Blocked::Locked), "{status}");
    }
    let body = data(json!({"sessionId": null, "accountStatus": "FROZEN"}));
    let error = initiate_refused(Preset::Guide, sealed_answer(200, body)).await;
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Refused, Some("FROZEN")));
}

#[tokio::test]
async fn an_answer_that_protocol_does_not_describe_is_not_understood() {
    for body in ["[]", "<html>captive portal</html>", "", r#"{"success":true,"data":{}}"#] {
        let caller = caller(Preset::Plain, [Line::Answer(200, body.into())]);
        let error = initiate(&caller, None).await.unwrap_err();
        assert!(matches!(error.kind, Kind::NotUnderstood(_)), "{body}: {error}");
    }
}

#[tokio::test]
async fn section_6_2_send_goes_out_with_the_methods_own_spelling() {
    let sent_to = data(json!({"sent": true, "maskedTarget": "r***@example.com"}));
    for (preset, form, wire) in [
        (Preset::Guide, MethodForm::Integer, json!(10_011_001)),
        (Preset::Wiki, MethodForm::Name, json!("EMAIL")),
        (Preset::Sdk, MethodForm::AsReceived, json!("email-1")),
    ] {
        let offered = data(json!({"sessionId": "s", "methods": [{"code": "EMAIL", "value": "email-1"}]}));
        let caller = caller(preset, [sealed_answer(200, offered), sealed_answer(200, sent_to.clone())]);
        assert_eq!(caller.dialect.method_form, form);
        let glass = Glass::aged(0);
        let method = initiate(&caller, Some(&glass)).await.unwrap().methods.remove(0);
        let code_sent = caller.send_code(&login(), &method, Some(&glass)).await.unwrap();
        assert_eq!(code_sent.masked_target.as_deref(), Some("r***@example.com"));
        let body = caller.sent()[1].body.clone();
        assert_eq!(body, format!(r#"sealed:{{"sessionId":"login-1","method":{wire}}}"#));
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test compares the token that was read")]
async fn section_6_3_complete_gives_tokens_and_the_portals_clock() {
    let pair =
        data(json!({"accessToken": "a", "refreshToken": "r", "expiresIn": 3600, "tokenType": "Bearer"}));
    let caller = caller(Preset::Guide, [sealed_answer(200, pair)]);
    let tokens = caller.complete(&login(), None, Some(&Glass::aged(0))).await.unwrap();
    assert_eq!(tokens.access.expose(), "a");
    assert_eq!(tokens.skew, Some(Skew(60)));
    assert_eq!(caller.sent()[0].body, r#"sealed:{"sessionId":"login-1"}"#);
}

#[tokio::test]
async fn section_6_3_complete_with_pending_approval_gives_no_tokens() {
    let body = json!({"success": true, "code": "2101", "data": {"isPendingApproval": true}});
    let caller = caller(Preset::Guide, [sealed_answer(200, body)]);
    let error = caller.complete(&login(), None, Some(&Glass::aged(0))).await.unwrap_err();
    assert_eq!(error.kind, Kind::PendingApproval);
}

#[tokio::test]
async fn ruling_12_a_refresh_never_carries_authorization() {
    for preset in Preset::ALL {
        let pair = data(json!({"accessToken": "a", "expiresIn": 60}));
        let line = if preset == Preset::Scv2 { sealed_answer(200, pair) } else { answer(200, pair) };
        let caller = caller(preset, [line]);
        let glass = Glass::aged(0);
        caller.refresh(&RefreshToken::new("r"), Some(&glass)).await.unwrap();
        let sent = caller.sent();
        assert_eq!(sent[0].extra, []);
        assert_eq!(sent[0].sealed_for.is_some(), preset == Preset::Scv2, "{preset:?}");
    }
}

#[tokio::test]
async fn section_12_the_life_of_a_token_that_is_not_told_is_the_settings() {
    let mut caller = caller(Preset::Plain, [answer(200, data(json!({"accessToken": "a"})))]);
    caller.settings.assumed_token_life = Duration::from_secs(42);
    let tokens = caller.refresh(&RefreshToken::new("r"), None).await.unwrap();
    assert_eq!(tokens.expires_in, Duration::from_secs(42));
}

#[tokio::test]
async fn section_7_logout_carries_the_bearer_and_no_body() {
    let caller = caller(Preset::Guide, [answer(200, data(json!({"terminatedSessions": 1})))]);
    caller.logout(&AccessToken::new("a")).await.unwrap();
    let sent = &caller.sent()[0];
    assert_eq!((sent.path.as_str(), sent.body.as_str()), ("/web/v1/tenant/auth/logout", ""));
    assert_eq!(sent.extra, [(http::header::AUTHORIZATION, "Bearer a".to_owned())]);
}

#[tokio::test]
async fn section_7_logout_may_be_answered_with_nothing() {
    let caller = caller(Preset::Guide, [Line::Answer(204, Bytes::new())]);
    assert!(caller.logout(&AccessToken::new("a")).await.is_ok());
}

#[tokio::test]
async fn a_logout_empties_the_identitys_jar_whatever_the_portal_says() {
    let answer = "HTTP/1.1 500 No\r\nset-cookie: s=1\r\ncontent-length: 2\r\n\r\n{}";
    let upstream = crate::upstream::fake::Fake::answering(answer).await.upstream();
    let jar = Jar::new(crate::upstream::JarLimits { cookies: 9, bytes: 999 });
    let injected = crate::upstream::fake::injected().with_jar(jar.clone());
    let client = Client::new(upstream, Dialect::preset(Preset::Guide, "tenant"), injected, None);
    assert!(client.refresh(&RefreshToken::new("r"), None).await.is_err());
    assert_eq!(format!("{jar:?}"), "Jar { cookies: 1, .. }");
    assert!(Portal::logout(&client, &AccessToken::new("a")).await.is_err());
    assert_eq!(format!("{jar:?}"), "Jar { cookies: 0, .. }");
}

#[tokio::test]
async fn section_3_3_close_names_the_channel_in_the_dialects_header() {
    let id = HeaderValue::from_static("sess_1");
    for (preset, expected) in [
        (Preset::Guide, vec![("x-secure-channel-session-id", "sess_1")]),
        (Preset::Scv2, vec![("x-sc-session-id", "sess_1"), ("x-sc-version", "2")]),
    ] {
        let caller = caller(preset, [answer(200, data(Value::Null))]);
        caller.close_channel(&id).await.unwrap();
        let sent = &caller.sent()[0];
        let extra: Vec<_> = sent.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!((sent.path.as_str(), extra), ("/web/v1/secure-channel/session/close", expected));
    }
}

#[tokio::test]
async fn section_3_3_closing_a_channel_that_is_gone_is_no_error() {
    let id = HeaderValue::from_static("sess_1");
    let gone = caller(Preset::Guide, [answer(404, refusal("SECURE_CHANNEL.SESSION_NOT_FOUND"))]);
    assert!(gone.close_channel(&id).await.is_ok());
    let unnamed = caller(Preset::Guide, [answer(400, refusal("4000"))]);
    assert_eq!(unnamed.close_channel(&id).await.unwrap_err().kind, Kind::Refused);
}

/// Opens a channel whose keys are the id of the portal's key, and which is called by both.
async fn negotiate(caller: &Caller<Script>) -> Result<Opened<String>, PortalError> {
    let start = |key: crate::portal::wire::AnnouncedKey| {
        let hello = format!("hello under {}", key.id).into();
        Ok((key.id, hello))
    };
    caller.negotiate(start, |key, id| Ok(format!("{id} under {key}"))).await
}

fn key(id: &str) -> Line {
    answer(200, data(json!({"keyId": id, "publicKey": "MIIB"})))
}

fn session(id: &str) -> Line {
    answer(200, data(json!({"sessionId": id, "expiresAt": 1_709_553_600_000u64})))
}

fn paths(caller: &Caller<Script>) -> Vec<String> {
    caller.sent().into_iter().map(|sent| format!("{} {}", sent.method, sent.path)).collect()
}

const GET_KEY: &str = "GET /web/v1/secure-channel/public-key";
const POST_SESSION: &str = "POST /web/v1/secure-channel/session";

#[tokio::test]
async fn section_3_2_a_channel_is_opened_by_two_calls() {
    let caller = caller(Preset::Guide, [key("k1"), session("s1")]);
    let opened = negotiate(&caller).await.unwrap();
    assert_eq!(opened.channel, "s1 under k1");
    let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_553_600);
    assert_eq!((opened.expires_at, opened.skew), (Some(expires_at), Some(Skew(60))));
    assert_eq!(caller.sent()[1].body, "hello under k1");
    assert_eq!(paths(&caller), [GET_KEY, POST_SESSION]);
}

#[tokio::test]
async fn section_13_a_key_that_has_rotated_is_fetched_again_once() {
    for code in ["4000", "SECURE_CHANNEL.KEY_NOT_FOUND"] {
        let rotated =
            caller(Preset::Guide, [key("k1"), answer(400, refusal(code)), key("k2"), session("s2")]);
        assert_eq!(negotiate(&rotated).await.unwrap().channel, "s2 under k2");
        let lines = [key("k1"), answer(400, refusal(code)), key("k1"), answer(400, refusal(code))];
        let mismatched = caller(Preset::Guide, lines);
        let error = negotiate(&mismatched).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (Kind::Refused, Some(code)));
        assert_eq!(paths(&mismatched), [GET_KEY, POST_SESSION, GET_KEY, POST_SESSION]);
    }
}

#[tokio::test]
async fn ruling_1_a_lost_answer_to_public_key_is_asked_for_once_more() {
    let caller_of = |lines: Vec<Line>| caller(Preset::Guide, lines);
    let once = caller_of(vec![lost(), key("k1"), session("s1")]);
    assert!(negotiate(&once).await.is_ok());
    let twice = caller_of(vec![lost(), lost()]);
    assert!(matches!(negotiate(&twice).await.unwrap_err().kind, Kind::OutcomeUnknown(_)));
    assert_eq!(paths(&twice), [GET_KEY, GET_KEY]);
}

#[tokio::test]
async fn ruling_1_a_lost_answer_to_session_creation_is_made_good_with_new_keys_once() {
    let once = caller(Preset::Guide, [key("k1"), lost(), key("k1"), session("s2")]);
    assert_eq!(negotiate(&once).await.unwrap().channel, "s2 under k1");
    let twice = caller(Preset::Guide, [key("k1"), lost(), key("k1"), lost()]);
    assert!(matches!(negotiate(&twice).await.unwrap_err().kind, Kind::OutcomeUnknown(_)));
    assert_eq!(paths(&twice).len(), 4);
}

#[tokio::test]
async fn what_never_left_is_not_tried_again_here() {
    let caller = caller(Preset::Guide, [Line::Lost(Lost::NotSent("no route".into()))]);
    assert_eq!(negotiate(&caller).await.unwrap_err().kind, Kind::NotSent("no route".into()));
}

#[tokio::test]
async fn a_wrong_access_code_is_refused_with_its_code() {
    let lines = [answer(403, refusal("ACCESS.PERMISSION_DENIED"))];
    let caller = caller(Preset::Guide, lines);
    let error = negotiate(&caller).await.unwrap_err();
    assert_eq!(error.kind, Kind::Refused);
    assert_eq!(error.status, Some(403));
    assert_eq!(error.code.as_deref(), Some("ACCESS.PERMISSION_DENIED"));
    assert_eq!(error.to_string(), "secure-channel/public-key: the portal refused the call");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_an_error_of_the_channel() {
    let caller = caller(Preset::Guide, [key("k1")]);
    let weak = || ChannelError::WeakKey("512 bits".into());
    let start = |_| Err::<((), Bytes), _>(weak());
    let error = caller.negotiate(start, |(), _| Ok(())).await.unwrap_err();
    assert_eq!(error.kind, Kind::Channel(weak()));
}

#[tokio::test]
async fn without_a_channel_in_the_dialect_none_is_opened() {
    let caller = caller(Preset::Plain, []);
    let error = caller.open_channel(None, &bootstrap::LastKey::default()).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotUnderstood(_)), "{error}");
}

#[tokio::test]
async fn section_11_the_error_object_of_sdk_is_read() {
    let body = json!({"success": false, "error": {"code": "U1065", "message": "x"}});
    let error = initiate_refused(Preset::Sdk, answer(400, body)).await;
    assert_eq!((error.kind, error.code.as_deref()), (Kind::CredentialsRefused, Some("U1065")));
}
