//! Where things are: the channel, the login, the refresh call; all by calls that change nothing.

use http::StatusCode;

use super::prober::{Answer, Probe};
use super::reading::Reading;
use super::search::{Search, invented};
use super::{Cell, Confidence, DetectError};
use crate::portal::wire::{AnnouncedKey, Data, announced_key};
use crate::portal::{Dialect, Endpoint, Preset};

impl Search<'_> {
    /// Finds every base; the portal's key, if there is a channel.
    pub(super) async fn find_places(&mut self) -> Result<Option<AnnouncedKey>, DetectError> {
        let nowhere = self.nowhere("").await?;
        let key = self.find_channel(nowhere).await?;
        self.find_login(nowhere, key.is_some()).await?;
        self.find_refresh(nowhere).await?;
        self.find_profile(nowhere).await?;
        self.find_request_id(key.is_some()).await?;
        Ok(key)
    }

    /// How the portal answers where it serves nothing.
    pub(super) async fn nowhere(&mut self, below: &str) -> Result<StatusCode, DetectError> {
        let probe = Probe::get(Endpoint::PublicKey, format!("{below}/{}", invented()));
        let answer = self.prober.send(&probe, None).await?;
        self.prober.ledger.was_nowhere();
        Ok(answer.status)
    }

    pub(super) async fn find_channel(
        &mut self,
        nowhere: StatusCode,
    ) -> Result<Option<AnnouncedKey>, DetectError> {
        let (mut all_alike, mut trouble) = (true, None);
        for base in self.candidates.channel_bases.clone() {
            self.dialect.channel_base.clone_from(&base);
            let probe = Probe::get(Endpoint::PublicKey, self.dialect.path(Endpoint::PublicKey));
            let answer = self.prober.send(&probe, None).await?;
            if answer.is_success()
                && let Ok(key) = Data::read(&answer.body).and_then(|data| announced_key(&data))
            {
                self.note(
                    Cell::ChannelBase,
                    Confidence::Seen,
                    format!("the portal's key came from {}", probe.path),
                );
                return Ok(Some(key));
            }
            self.prober.ledger.was_nowhere();
            all_alike &= answer.status == nowhere;
            if answer.status.is_server_error() && !nowhere.is_server_error() {
                trouble = Some(DetectError::InTrouble { call: probe.call.name(), answer: answer.brief() });
            }
        }
        // 404 is what a deployment without a channel says. Anything else was said before the path was looked at.
        if all_alike && nowhere != StatusCode::NOT_FOUND {
            let profile = Probe::get(Endpoint::Profile, self.dialect.path(Endpoint::Profile));
            if self.prober.send(&profile, None).await?.status == nowhere
                && nowhere != StatusCode::UNAUTHORIZED
            {
                return Err(DetectError::RefusedEverything { status: nowhere });
            }
        }
        trouble.map_or(Ok(None), Err)
    }

    /// Whether anything is served at the path: a `GET` there is refused otherwise than where nothing is. Where
    /// the refusal could be one of everything below that path, a neighbour is asked for as well.
    async fn is_served(
        &mut self,
        call: Endpoint,
        path: &str,
        nowhere: StatusCode,
    ) -> Result<Option<Answer>, DetectError> {
        let answer = self.prober.send(&Probe::get(call, path), None).await?;
        if answer.status == StatusCode::NOT_FOUND || answer.status == nowhere {
            self.prober.ledger.was_nowhere();
            return Ok(None);
        }
        self.prober.ledger.was_a_look();
        if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status) {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            if self.nowhere(parent).await? == answer.status {
                return Ok(None);
            }
        }
        Ok(Some(answer))
    }

    async fn find_login(&mut self, nowhere: StatusCode, has_channel: bool) -> Result<(), DetectError> {
        let base = has_channel.then(|| self.dialect.channel_base.clone());
        for (auth, login) in self.candidates.logins(base.as_deref()) {
            if let Some(auth) = &auth {
                self.dialect.auth_base.clone_from(auth);
            }
            self.dialect.login_base = login;
            let path = self.dialect.path(Endpoint::Initiate);
            let Some(answer) = self.is_served(Endpoint::Initiate, &path, nowhere).await? else { continue };
            let why = format!("a GET of {path} is answered {}, one of nothing {nowhere}", answer.brief());
            self.note(Cell::LoginBase, Confidence::Seen, why);
            return match auth {
                Some(_) => {
                    self.note(Cell::AuthBase, Confidence::Inferred, "the login is served below it");
                    Ok(())
                }
                None => self.find_auth(nowhere).await,
            };
        }
        Err(DetectError::NoLogin)
    }

    /// The auth base of a login that stands by itself.
    async fn find_auth(&mut self, nowhere: StatusCode) -> Result<(), DetectError> {
        // The likeliest first: of the bases, the shortest is the one that goes with a login of its own.
        let mut bases = self.candidates.auth_bases.clone();
        bases.sort_by_key(String::len);
        for base in bases {
            self.dialect.auth_base = base;
            let path = self.dialect.path(Endpoint::RegisterVerify);
            if let Some(answer) = self.is_served(Endpoint::RegisterVerify, &path, nowhere).await? {
                let why = format!("a GET of {path} is answered {}, one of nothing {nowhere}", answer.brief());
                self.note(Cell::AuthBase, Confidence::Seen, why);
                return Ok(());
            }
        }
        "/auth".clone_into(&mut self.dialect.auth_base);
        self.note(
            Cell::AuthBase,
            Confidence::Assumed,
            "no known base serves registration; this is the sdk's",
        );
        Ok(())
    }

    async fn find_refresh(&mut self, nowhere: StatusCode) -> Result<(), DetectError> {
        for refresh in self.candidates.refresh_paths.clone() {
            self.dialect.refresh_path = refresh;
            let path = self.dialect.path(Endpoint::Refresh);
            if let Some(answer) = self.is_served(Endpoint::Refresh, &path, nowhere).await? {
                let why = format!("a GET of {path} is answered {}, one of nothing {nowhere}", answer.brief());
                self.note(Cell::RefreshPath, Confidence::Seen, why);
                return Ok(());
            }
        }
        "{auth}/token/refresh".clone_into(&mut self.dialect.refresh_path);
        self.note(Cell::RefreshPath, Confidence::Assumed, "none of the known paths is served");
        Ok(())
    }

    async fn find_profile(&mut self, nowhere: StatusCode) -> Result<(), DetectError> {
        let path = self.dialect.path(Endpoint::Profile);
        let answer = self.prober.send(&Probe::get(Endpoint::Profile, &*path), None).await?;
        let portal = self.dialect.portal.clone();
        match answer.reading() {
            Reading::Read if answer.status != nowhere => {
                self.note(Cell::ProfilePath, Confidence::Seen, format!("{path} asks for a token"));
            }
            Reading::Unclear if answer.status == StatusCode::FORBIDDEN => self.note(
                Cell::ProfilePath,
                Confidence::Assumed,
                format!("{path} is forbidden: perhaps the access code is not one of the portal {portal}"),
            ),
            _ => self.note(
                Cell::ProfilePath,
                Confidence::Assumed,
                format!("{path} answers {}: perhaps the portal is not called {portal}", answer.brief()),
            ),
        }
        Ok(())
    }

    /// A call that was just served, or asked for a token, once more without the header.
    async fn find_request_id(&mut self, has_channel: bool) -> Result<(), DetectError> {
        let call = if has_channel { Endpoint::PublicKey } else { Endpoint::Profile };
        let mut probe = Probe::get(call, self.dialect.path(call));
        probe.request_id = false;
        let answer = self.prober.send(&probe, None).await?;
        let (required, confidence, why) = match answer.reading() {
            Reading::Read => (false, Confidence::Seen, "a call without it is served"),
            Reading::Refused => (true, Confidence::Seen, "a call without it is refused"),
            Reading::Limited | Reading::Absent | Reading::Unclear => {
                (false, Confidence::Assumed, "a call without it is answered in a way that tells nothing")
            }
        };
        self.dialect.request_id_required = required;
        self.note(Cell::RequestIdRequired, confidence, format!("{why} ({})", answer.brief()));
        Ok(())
    }

    /// No key anywhere: a login that is read in the plain shows that there is no channel.
    pub(super) async fn no_channel(&mut self) -> Result<(), DetectError> {
        let preset = Dialect::preset(Preset::Plain, &self.dialect.portal);
        let Dialect { channel, channel_base, sealed_paths, .. } = preset;
        self.dialect = Dialect { channel, channel_base, sealed_paths, ..self.dialect.clone() };
        let probe = self.plain_probe(Endpoint::Complete);
        let answer = self.prober.send(&probe, None).await?;
        match answer.reading() {
            Reading::Read => {
                self.talk.step(&format!("no channel: a plain login/complete is read ({})", answer.brief()));
                Ok(())
            }
            Reading::Refused => Err(DetectError::NoChannel),
            Reading::Limited | Reading::Absent | Reading::Unclear => {
                Err(DetectError::InTrouble { call: probe.call.name(), answer: answer.brief() })
            }
        }
    }
}
