//! The confirmation: one login under the person's own account, within its budget.

use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use serde::Serialize;
use zeroize::Zeroizing;

use super::prober::{Answer, Probe};
use super::reading::Reading;
use super::search::Search;
use super::{Account, Cell, Confidence, DetectError, LoginBudget, LoginEnd};
use crate::channel::EnvelopeForm;
use crate::portal::wire::{Data, Meaning, initiated, skew, tokens};
use crate::portal::{Endpoint, MethodForm};
use crate::secret::{AccessToken, Expose};
use crate::session::{FactorKind, Initiated};

/// What became of one initiate.
enum Begun {
    Login(Initiated),
    /// It was read, and the login ends here.
    End(LoginEnd),
    /// It was not read.
    NotRead(String),
}

impl Search<'_> {
    /// Shows the budget, asks, and logs in.
    pub(super) async fn confirm(&mut self, account: &Account) -> Result<LoginEnd, DetectError> {
        let initiates = self.prober.settings.logins;
        let completes = account.otp.is_some();
        let budget = LoginBudget { email: account.email.clone(), initiates, completes };
        if !self.talk.may_log_in(&budget) {
            return Ok(LoginEnd::NotTried);
        }
        let (mut left, mut ways) = (initiates, std::mem::take(&mut self.open_ways).into_iter());
        let mut forms = vec![other_than(self.dialect.method_form)];
        let (mut is_open, mut code_again) = (ways.len() > 0, true);
        loop {
            let way = ways.next().or_else(|| self.way());
            let answer = self.initiate(account, way.as_ref()).await?;
            if let Some(otp) = &account.otp {
                otp.learn(skew(&answer.headers, self.prober.clock.wall()));
            }
            left -= 1;
            let login = match self.begun(&answer) {
                Begun::Login(login) => login,
                Begun::End(end) => return Ok(end),
                Begun::NotRead(_) if left > 0 && ways.len() > 0 => continue,
                Begun::NotRead(why) => return Ok(LoginEnd::NotRead(why)),
            };
            if let Some(way) = way.filter(|_| is_open) {
                self.settle_way(Endpoint::Initiate, &way, &answer);
            }
            is_open = false;
            ways = Vec::new().into_iter();
            self.saw_success(&answer);
            match self.complete(account, &login).await? {
                Completed::End(end) => return Ok(end),
                // Spent elsewhere in this step, most likely: the login begins again, and its code is the next one's.
                Completed::CodeRefused(_) if code_again && left > 0 => {
                    code_again = false;
                    self.talk.step("the code was refused; once more, with the code of the next step");
                }
                Completed::CodeRefused(why) => return Ok(LoginEnd::Refused(why)),
                Completed::MethodRefused(why) => match forms.pop().filter(|_| left > 0) {
                    Some(form) => self.dialect.method_form = form,
                    None => return Ok(LoginEnd::NotRead(why)),
                },
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the password leaves in the body of login/initiate")]
    async fn initiate(
        &mut self,
        account: &Account,
        way: Option<&super::way::Way>,
    ) -> Result<Answer, DetectError> {
        #[derive(Serialize)]
        struct Initiate<'a> {
            email: &'a str,
            password: &'a str,
        }
        let password = account.password.expose();
        let body = json(&Initiate { email: &account.email, password }, account.email.len() + password.len());
        self.send_own(Endpoint::Initiate, body, way).await
    }

    /// Sealed where the dialect seals it.
    async fn send_own(
        &mut self,
        call: Endpoint,
        body: Zeroizing<Vec<u8>>,
        way: Option<&super::way::Way>,
    ) -> Result<Answer, DetectError> {
        let path = self.dialect.path(call);
        match way.filter(|_| self.dialect.seals(&path)) {
            Some(way) => self.send_sealed(call, &body, way).await,
            None => {
                let probe = Probe::post(call, path, Bytes::from_owner(body));
                self.prober.send(&probe, None).await
            }
        }
    }

    /// | the answer | conclusion |
    /// |---|---|
    /// | pending, blocked, a risk challenge, wrong credentials | read; the account's affair, and never tried again |
    /// | success with a pending login | read |
    /// | the body is refused | the next form, if any is left |
    fn begun(&self, answer: &Answer) -> Begun {
        let refused = |why: String| Begun::End(LoginEnd::Refused(why));
        if answer.signs.is_login_pending() {
            return refused("the account waits for approval".to_owned());
        }
        if let Some(blocked) = answer.signs.blocked_login() {
            return refused(format!("the account is {blocked}"));
        }
        if answer.is_success() {
            let login =
                Data::read(&answer.body).and_then(|data| initiated(&data, self.dialect.method_form, None));
            return match login {
                Ok(login) => Begun::Login(login),
                Err(why) => refused(format!("its answer is not understood: {why}")),
            };
        }
        match (answer.signs.meaning(), Reading::of(answer.status, &answer.signs, false)) {
            (Meaning::CredentialsRefused | Meaning::Unauthorized, _) => {
                refused(format!("e-mail or password is wrong ({})", answer.brief()))
            }
            (_, Reading::Read) => refused(answer.brief()),
            _ => Begun::NotRead(answer.brief()),
        }
    }

    /// Whether successes of sealed calls come sealed.
    fn saw_success(&mut self, answer: &Answer) {
        let Some(spelling) = self.dialect.channel else { return };
        if spelling.envelope == EnvelopeForm::Raw {
            return;
        }
        let is_plain = !answer.opened && self.dialect.seals(&self.dialect.path(Endpoint::Initiate));
        self.dialect.accept_plain_success = is_plain;
        let why = if is_plain {
            "login/initiate was sealed, and its success came plain: only TLS says that it is the portal's"
        } else {
            "the success of login/initiate came sealed"
        };
        self.note(Cell::AcceptPlainSuccess, Confidence::Seen, why);
    }

    async fn complete(&mut self, account: &Account, login: &Initiated) -> Result<Completed, DetectError> {
        let factor = match login.methods.iter().find(|method| method.kind == FactorKind::Otp) {
            _ if login.methods.is_empty() => None,
            Some(method) => {
                let Some(otp) = &account.otp else { return Ok(Completed::End(LoginEnd::Begun)) };
                let Some(code) = otp.next().await else { return Ok(Completed::End(LoginEnd::Begun)) };
                Some((method, code))
            }
            None => return Ok(Completed::End(LoginEnd::Begun)),
        };
        if factor.is_none() && account.otp.is_none() {
            return Ok(Completed::End(LoginEnd::Begun)); // the budget shown said nothing of completing
        }
        let body = complete_body(login, factor.as_ref());
        let way = self.way();
        let answer = self.send_own(Endpoint::Complete, body, way.as_ref()).await?;
        if !answer.is_success() {
            if factor.is_some() && answer.signs.meaning() == Meaning::CodeRefused {
                return Ok(Completed::CodeRefused(format!("login/complete: {}", answer.brief())));
            }
            let is_form =
                Reading::of(answer.status, &answer.signs, false) == Reading::Refused && factor.is_some();
            return Ok(match is_form {
                true => Completed::MethodRefused(format!("login/complete: {}", answer.brief())),
                false => Completed::End(LoginEnd::Refused(format!("login/complete: {}", answer.brief()))),
            });
        }
        let read = Data::read(&answer.body).and_then(|data| tokens(&data, None, Duration::from_secs(300)));
        Ok(Completed::End(match read {
            Ok(tokens) => {
                if factor.is_some() {
                    self.note(Cell::Method, Confidence::Seen, "login/complete took it");
                }
                self.use_and_end(&tokens.access).await?
            }
            Err(why) => LoginEnd::Refused(format!("login/complete: its answer is not understood: {why}")),
        }))
    }

    /// A call with the bearer, and the end of the session.
    async fn use_and_end(&mut self, token: &AccessToken) -> Result<LoginEnd, DetectError> {
        let Ok(bearer) = token.prefixed_header_value("Bearer ") else { return Ok(LoginEnd::Complete) };
        let mut probe = Probe::get(Endpoint::Profile, self.dialect.path(Endpoint::Profile));
        probe.headers.push((AUTHORIZATION, bearer.clone()));
        let profile = self.prober.send(&probe, None).await?;
        if profile.is_success() {
            let why = format!("{} was served to the bearer of this login", probe.path);
            self.note(Cell::ProfilePath, Confidence::Seen, why);
        }
        let mut probe = Probe::post(Endpoint::Logout, self.dialect.path(Endpoint::Logout), Vec::new());
        probe.headers.push((AUTHORIZATION, bearer));
        let logout = self.prober.send(&probe, None).await?;
        if !logout.is_success() {
            self.talk
                .step(&format!("the session could not be ended ({}); it ends by itself", logout.brief()));
        }
        Ok(match profile.is_success() {
            true => LoginEnd::Complete,
            false => LoginEnd::Refused(format!("the profile answers {} to the bearer", profile.brief())),
        })
    }
}

/// What became of one complete.
enum Completed {
    End(LoginEnd),
    /// The code was read, and refused.
    CodeRefused(String),
    /// The body was refused: perhaps for how it names the method.
    MethodRefused(String),
}

fn other_than(form: MethodForm) -> MethodForm {
    match form {
        MethodForm::Integer | MethodForm::AsReceived => MethodForm::Name,
        MethodForm::Name => MethodForm::Integer,
    }
}

#[expect(clippy::disallowed_methods, reason = "login and code leave in the body of login/complete")]
fn complete_body(
    login: &Initiated,
    factor: Option<&(&crate::session::Method, crate::secret::OneTimeCode)>,
) -> Zeroizing<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Complete<'a> {
        session_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        method: Option<&'a serde_json::Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'a str>,
    }
    let session_id = login.login.expose();
    let (method, code) = factor.map(|(method, code)| (&method.wire, code.expose())).unzip();
    json(&Complete { session_id, method, code }, session_id.len() + code.map_or(0, str::len))
}

/// With room for every text escaped in full, so that no copy of a secret stays behind in a smaller buffer.
fn json(fields: &impl Serialize, texts: usize) -> Zeroizing<Vec<u8>> {
    let mut body = Zeroizing::new(Vec::with_capacity(6 * texts + 256));
    serde_json::to_writer(&mut *body, fields).expect("texts and numbers are JSON, and a Vec takes all bytes");
    body
}
