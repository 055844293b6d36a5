//! What finds out the settings of the dialect that are `auto`.

use crate::clock::SystemClock;
use crate::config::{Config, LeftOpen};
use crate::detect::{Candidates, Cell, ChannelScout, Settings, Target};
use crate::portal::{Dialect, Endpoint, Finder};
use crate::upstream::{Injected, Upstream};

/// What finds them out, if there are any.
pub(super) fn finder(
    config: &Config,
    dialect: &Dialect,
    upstream: &Upstream,
    injected: &Injected,
) -> Option<Finder> {
    let open = cells(config.dialect.left_open());
    if open.is_empty() || dialect.channel.is_none() {
        return None;
    }
    let target = Target {
        portal: config.portal.name.as_str().to_owned(),
        upstream: upstream.for_another_worker(),
        injected: injected.clone(),
        candidates: Candidates::default(),
    };
    let settings = Settings {
        patience: std::time::Duration::ZERO,
        call_timeout: config.limits.own_call,
        max_answer: config.limits.own_answer,
        ..Settings::default()
    };
    let scout = ChannelScout::new(target, dialect.clone(), open, settings, SystemClock::shared());
    Some(Finder::new(scout, config.session.find_again))
}

/// Where the channel's calls may be.
pub(super) fn channel_bases(config: &Config, dialect: &Dialect) -> Vec<String> {
    let own = dialect.channel_base.clone();
    let is_open = config.dialect.left_open().channel_base;
    let others = if is_open { Candidates::default().channel_bases } else { Vec::new() };
    let others = others.into_iter().filter(|base| *base != dialect.channel_base);
    let path = |channel_base| {
        let path = Dialect { channel_base, ..dialect.clone() }.path(Endpoint::PublicKey);
        path.trim_end_matches("/public-key").to_owned()
    };
    std::iter::once(own).chain(others).map(path).collect()
}

fn cells(open: LeftOpen) -> Vec<Cell> {
    let LeftOpen { channel_base, session_header, oaep_hash, mgf1_hash, base64 } = open;
    let all = [
        (Cell::ChannelBase, channel_base),
        (Cell::SessionHeader, session_header),
        (Cell::OaepHash, oaep_hash),
        (Cell::Mgf1Hash, mgf1_hash),
        (Cell::Base64, base64),
    ];
    all.into_iter().filter(|(_, is_open)| *is_open).map(|(cell, _)| cell).collect()
}
