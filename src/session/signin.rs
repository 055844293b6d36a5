//! One login: initiate, choose a factor, complete (PROTOCOL section 6), inside its budgets.

use super::budget::{Attempt, By, Latched, Verdict};
use super::codes::no_backup_code;
use super::conclude::{Again, not_sent, verdict_on, verdict_on_complete};
use super::factor::{Next, choose};
use super::flight::{Entered, Login, Stop, Tools};
use super::totp::{Seed, Step};
use super::{Initiated, Method, OwnCall, Portal, PortalError, PortalErrorKind, SessionError, Tokens};
use crate::secret::{LoginSessionId, OneTimeCode};

/// How often one login begins again because its channel or its pending login was gone, or an answer was lost.
const RESTARTS: u32 = 1;

impl<P: Portal> Tools<P> {
    /// Signs in as far as it goes without a person.
    pub(super) async fn log_in(&self, mut login: Login) -> Result<Entered, Stop> {
        let seed = self.seed(&login)?;
        let backup = self.backup_codes(&login, seed.is_some()).await?;
        // What a code of ours that the portal refuses, and again, is a sign of.
        let (mut restarts, mut ours) = (RESTARTS, None);
        loop {
            let (initiated, attempt) = match self.initiate(&login).await {
                Ok(initiated) => initiated,
                Err(Stop::ForNow(error)) if error.kind == PortalErrorKind::ChannelStale && restarts > 0 => {
                    restarts -= 1;
                    continue;
                }
                Err(stop) => return Err(stop),
            };
            let again = match choose(&initiated.methods, &login, seed.is_some()) {
                Next::Ask { method, send } => {
                    let asked = self.ask(initiated, method, send, &login).await;
                    // An automatic login stays counted until somebody answers it, so that a restart loop does
                    // not send a mail each time. A person is there, and the password was right.
                    let free = asked.is_err() || login.by == By::Person;
                    let verdict = if free { Verdict::Free } else { Verdict::Counted };
                    self.settle(attempt, verdict).await;
                    match asked {
                        Ok(pending) => return Ok(Entered::Asked(Box::new(pending))),
                        Err(again) => again,
                    }
                }
                Next::Complete => {
                    let completed = self.complete(&initiated.login, None).await;
                    self.settle(attempt, verdict_on_complete(&completed)).await;
                    match completed {
                        Ok(tokens) => return Ok(self.entered(tokens, &login, true).await),
                        Err(error) => self.after_complete(error, &login).await,
                    }
                }
                Next::Otp(method) => {
                    ours = Some(Latched::Code);
                    let code = match self.code(seed.as_ref()).await {
                        Ok(code) => code,
                        Err(stop) => return Err(self.taken_back(attempt, stop).await),
                    };
                    match self.complete_by(&initiated.login, (&method, &code), attempt).await {
                        Ok(tokens) => return Ok(self.entered(tokens, &login, false).await),
                        Err(error) => self.after_complete(error, &login).await,
                    }
                }
                Next::Backup(method) => {
                    ours = Some(Latched::BackupCode);
                    let code = match self.take_backup_code(&backup).await {
                        Ok(code) => code,
                        Err(stop) => return Err(self.taken_back(attempt, stop).await),
                    };
                    match self.complete_by(&initiated.login, (&method, &code), attempt).await {
                        Ok(tokens) => return Ok(self.entered(tokens, &login, false).await),
                        Err(error) => {
                            if matches!(error.kind, PortalErrorKind::NotSent(_)) {
                                self.return_backup_code(&code).await;
                            }
                            self.after_complete(error, &login).await
                        }
                    }
                }
                Next::NoBackup => {
                    let stop = no_backup_code("the portal does not offer backup codes for this login");
                    return Err(self.taken_back(attempt, stop).await);
                }
            };
            match again {
                Again::Restart(_) if restarts > 0 => restarts -= 1,
                Again::Restart(error) => return Err(Stop::ForNow(error)),
                Again::Code if ours.is_some() && login.code_retries > 0 => login.code_retries -= 1,
                // A person's choice says nothing about how the login goes without one.
                Again::Code if login.by_backup_code => {
                    return Err(Stop::Person(Latched::BackupCode.error()));
                }
                Again::Code => {
                    return Err(self.latch(ours.unwrap_or(Latched::Credentials), &login).await);
                }
                Again::No(stop) => return Err(stop),
            }
        }
    }

    /// `login/initiate`, counted before the password leaves.
    async fn initiate(&self, login: &Login) -> Result<(Initiated, Attempt), Stop> {
        let Some(password) = &login.credentials.password else {
            let reason = "no password is configured";
            return Err(Stop::Person(SessionError::PersonRequired { reason }));
        };
        let channel = self.channel_for(OwnCall::Initiate).await?;
        let attempt = self.begin(login).await?;
        let answer = self.portal.initiate(&login.credentials.email, password, channel.as_ref()).await;
        match answer {
            Ok(initiated) => {
                self.portal_time.learn(&*self.clock, initiated.skew);
                // At once: a crash while the code is awaited is no doubt about the password.
                self.change(|attempts, _| attempts.prove(&login.credentials)).await;
                Ok((initiated, attempt))
            }
            Err(error) => {
                self.settle(attempt, verdict_on(&error.kind)).await;
                if error.kind.tells_of_the_channel() {
                    self.renew_channel(channel).await;
                }
                Err(self.conclude(error, login).await)
            }
        }
    }

    /// `login/complete`.
    pub(super) async fn complete(
        &self,
        login: &LoginSessionId,
        factor: Option<(&Method, &OneTimeCode)>,
    ) -> Result<Tokens, PortalError> {
        let channel = self.channel(OwnCall::Complete).await.map_err(|e| not_sent("login/complete", e))?;
        let answer = self.portal.complete(login, factor, channel.as_ref()).await;
        if answer.as_ref().is_err_and(|error| error.kind.tells_of_the_channel()) {
            self.renew_channel(channel).await;
        }
        answer
    }

    /// Completes with a code of ours, and settles the attempt.
    async fn complete_by(
        &self,
        login: &LoginSessionId,
        factor: (&Method, &OneTimeCode),
        attempt: Attempt,
    ) -> Result<Tokens, PortalError> {
        let completed = self.complete(login, Some(factor)).await;
        self.settle(attempt, verdict_on_complete(&completed)).await;
        completed
    }

    /// Why it goes no further, where the portal took the password and nothing else was asked of it.
    async fn taken_back(&self, attempt: Attempt, stop: Stop) -> Stop {
        self.settle(attempt, Verdict::Free).await;
        stop
    }

    /// The code of the first step that was not used yet (ruling 16), used up before it is sent.
    async fn code(&self, seed: Option<&Seed>) -> Result<OneTimeCode, Stop> {
        let Some(seed) = seed else {
            return Err(Stop::Person(SessionError::PersonRequired { reason: "no OTP secret is configured" }));
        };
        let broken = |error| Stop::Later(SessionError::Store(error), self.settings.backoff_first);
        loop {
            let now = self.portal_time.now(&*self.clock);
            let step = Step::at(now);
            let mut attempts = self.stored(self.store.attempts().await).map_err(broken)?;
            if attempts.spend(step) {
                self.stored(self.store.record(attempts).await).map_err(broken)?;
                return Ok(seed.code(step));
            }
            self.clock.sleep(step.left(now)).await;
        }
    }

    async fn entered(&self, tokens: Tokens, login: &Login, without_factor: bool) -> Entered {
        Entered::Tokens(tokens, self.completed(login, without_factor).await)
    }

    fn seed(&self, login: &Login) -> Result<Option<Seed>, Stop> {
        let seed = login.credentials.otp_secret.as_ref().map(Seed::parse).transpose();
        seed.map_err(|reason| Stop::Person(SessionError::PersonRequired { reason }))
    }
}
