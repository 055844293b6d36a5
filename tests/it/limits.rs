//! Every bound of proxy.toml, and the test that shows it bite; and what a connection may do over HTTP/2.

use std::collections::BTreeSet;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::documents::test_names;
use crate::plain_world::{PATIENCE, Plain, Raw, Stage, read_until};

/// Each number, duration and size that can be set, and tests that fail when nobody keeps to it. That each reaches
/// whoever keeps to it is `every_bound_of_the_reference_reaches_who_keeps_to_it`.
const BITES: &[(&str, &[&str])] = &[
    (
        "listen.workers",
        &[
            "all_workers_and_both_loopbacks_share_the_port_chosen_first",
            "workers_share_a_port_and_their_caps",
        ],
    ),
    ("upstream.connect_timeout", &["a_silent_port_runs_into_the_connect_timeout"]),
    ("upstream.head_timeout", &["a_portal_that_does_not_answer_is_a_504_in_time"]),
    (
        "upstream.body_idle_timeout",
        &[
            "an_upload_that_stands_still_ends_in_408_where_it_is_held_and_where_it_streams",
            "a_body_that_stands_still_times_out_and_an_event_stream_does_not",
        ],
    ),
    ("upstream.idle_timeout", &["an_idle_connection_is_closed_when_its_time_has_come"]),
    ("upstream.fresh_reuse", &["a_post_takes_a_connection_used_just_now_and_no_older_one"]),
    ("upstream.continue_timeout", &["a_portal_that_does_not_know_the_word_gets_the_body_in_time"]),
    ("upstream.whole_answer", &["an_answer_longer_than_the_limit_streams_and_is_not_asked_for_again"]),
    (
        "upstream.repeat_percent",
        &[
            "what_was_saved_is_spent_and_the_next_one_waits_for_its_share",
            "where_nothing_may_be_repeated_a_lost_answer_is_an_error_at_once",
        ],
    ),
    ("upstream.max_idle", &["no_more_idle_connections_are_kept_than_may_be"]),
    ("login.code_every", &["the_mailbox_is_looked_into_while_the_code_is_good_and_no_longer"]),
    ("login.code_timeout", &["a_mailbox_program_that_takes_too_long_leaves_the_code_to_a_person"]),
    (
        "login.automatic_attempts",
        &["one_attempt_of_unknown_outcome_is_made_and_three_where_the_credentials_are_proven"],
    ),
    (
        "login.proven_attempts",
        &[
            "one_attempt_of_unknown_outcome_is_made_and_three_where_the_credentials_are_proven",
            "ruling_1_logins_of_unknown_outcome_have_a_budget",
        ],
    ),
    ("login.person_attempts", &["the_limit_of_a_person_is_reached_at_n_and_refused_at_n_plus_one"]),
    ("login.attempt_window", &["a_person_may_be_refused_three_times_an_hour_and_not_a_fourth"]),
    ("login.code_retries", &["a_wrong_otp_secret_is_not_guessed_with"]),
    ("session.refresh_at", &["refresh_at_seventy_percent"]),
    ("session.refresh_jitter", &["the_refresh_is_moved_by_no_more_than_its_jitter"]),
    ("session.margin", &["margins_scale_with_the_life_up_to_their_most"]),
    ("session.backoff_first", &["pauses_grow_to_their_most_and_start_over_after_a_success"]),
    ("session.backoff_most", &["pauses_grow_to_their_most_and_start_over_after_a_success"]),
    ("session.wait_through", &["a_pause_of_no_more_than_wait_through_is_no_news_to_the_client"]),
    ("session.retry_after_most", &["an_absurd_retry_after_is_obeyed_up_to_its_limit"]),
    ("session.assumed_token_life", &["section_12_the_life_of_a_token_that_is_not_told_is_the_settings"]),
    ("session.complaints_burst", &["complaints_are_followed_as_often_as_they_may_and_one_more_is_not"]),
    ("session.complaints_per_minute", &["a_storm_of_complaints_is_followed_as_often_as_it_may_and_no_more"]),
    ("session.channel_life", &["a_channel_is_used_until_its_end_less_its_margin"]),
    ("session.channel_backoff_first", &["pauses_grow_to_their_most_and_start_over_after_a_success"]),
    ("session.channel_backoff_most", &["pauses_grow_to_their_most_and_start_over_after_a_success"]),
    ("session.find_again", &["what_works_no_more_is_found_again"]),
    ("session.fresh_channel", &["ruling_2_a_4000_on_an_old_channel_is_tried_once_on_a_new_one"]),
    (
        "session.renew_after_messages",
        &[
            "keys_are_renewed_after_as_many_messages_as_the_configuration_says",
            "by_default_renewal_is_due_long_before_refusal",
        ],
    ),
    ("session.refuse_after_messages", &["the_hard_limit_itself_is_sealed_and_one_more_is_refused_for_good"]),
    ("session.close_timeout", &["a_shutdown_waits_for_a_silent_portal_no_longer_than_it_may"]),
    ("session.heartbeat", &["a_gap_of_heartbeat_and_tolerance_is_no_jump_and_a_second_more_is"]),
    ("session.clock_tolerance", &["a_clock_set_by_more_than_the_tolerance_is_a_jump_either_way"]),
    (
        "identity.in_flight",
        &["an_answer_takes_its_place_until_its_last_byte_and_each_identity_may_have_its_own_number"],
    ),
    ("limits.sealed_body", &["a_body_that_is_sealed_may_be_as_long_as_the_limit_and_not_one_byte_longer"]),
    ("limits.sealed_answer", &["a_sealed_answer_may_be_as_long_as_the_limit_and_not_one_byte_longer"]),
    ("limits.replay_body", &["a_streamed_body_is_not_sent_again_but_the_next_request_finds_a_good_bearer"]),
    (
        "limits.held_bytes",
        &[
            "as_much_is_held_as_the_budget_says_and_not_one_byte_more",
            "the_budget_is_the_same_for_all_workers_and_shown_in_the_metrics",
        ],
    ),
    ("limits.header_bytes", &["a_head_of_the_limit_passes_and_one_byte_more_is_431"]),
    (
        "limits.headers",
        &[
            "a_hundred_fields_pass_and_one_more_does_not",
            "as_many_fields_as_the_limit_pass_and_one_more_is_431",
        ],
    ),
    ("limits.uri", &["a_target_of_the_limit_passes_and_a_longer_one_does_not"]),
    ("limits.connections", &["one_connection_more_than_the_cap_is_answered_503_with_retry_after"]),
    ("limits.in_flight", &["one_request_more_than_may_be_in_flight_is_answered_503_with_retry_after"]),
    ("limits.in_flight_each", &["one_whose_requests_stand_still_leaves_room_for_the_others"]),
    ("limits.streams", &["as_many_streams_as_may_be_are_served_and_one_more_is_refused"]),
    ("limits.reset_streams", &["as_many_resets_as_may_be_are_borne_and_one_more_ends_the_connection"]),
    (
        "limits.error_streams",
        &["as_many_faulty_streams_as_may_be_are_borne_and_one_more_ends_the_connection"],
    ),
    ("limits.interim", &["no_more_interim_answers_pass_than_the_limit_and_none_to_http10"]),
    ("limits.cookies", &["three_of_three_are_kept_and_a_fourth_drives_the_oldest_out"]),
    ("limits.cookie_bytes", &["their_bytes_are_bounded_together_and_one_too_long_is_not_kept"]),
    ("limits.buffer_bytes", &["a_body_is_read_in_pieces_that_the_buffer_bounds"]),
    ("limits.retry_after", &["one_connection_more_than_the_cap_is_answered_503_with_retry_after"]),
    ("limits.header_timeout", &["a_head_that_never_ends_is_answered_408"]),
    (
        "limits.body_idle_timeout",
        &["an_upload_that_stands_still_ends_in_408_where_it_is_held_and_where_it_streams"],
    ),
    ("limits.write_timeout", &["a_client_that_reads_nothing_holds_the_body_back_and_is_sent_away"]),
    ("limits.keep_alive", &["a_resting_connection_outlives_the_head_limit_and_not_its_own"]),
    (
        "limits.waiting",
        &[
            "as_many_requests_wait_for_a_login_as_may_and_the_next_are_told_at_once",
            "each_identity_has_a_queue_of_its_own_before_its_login",
        ],
    ),
    ("limits.wait_timeout", &["a_request_waits_for_a_login_no_longer_than_it_may"]),
    ("limits.own_call", &["a_portal_that_says_nothing_is_given_up_after_the_deadline"]),
    ("limits.own_answer", &["an_answer_of_one_mebibyte_is_read_and_one_byte_more_is_not"]),
    ("limits.learned_paths", &["it_learns_up_to_its_limit_and_counts_each_once"]),
    ("limits.drain", &["a_stop_ends_at_its_deadline_whatever_runs"]),
    ("limits.secret_command", &["what_cannot_be_had_says_why_and_what_to_do"]),
    ("state.lock_timeout", &["a_lock_is_one_processs_until_it_drops_it"]),
    ("state.redis_timeout", &["one_that_hangs_is_away_within_its_time_out"]),
    ("state.redis_lease", &["a_lock_is_renewed_for_as_long_as_it_is_held_and_outlives_a_call"]),
    ("state.redis_poll", &["one_that_goes_away_is_said_to_be_and_is_found_again"]),
    ("state.redis_wait", &["a_start_without_redis_is_an_error_with_a_way_out_or_waits"]),
];

#[test]
fn every_bound_of_proxy_toml_has_a_test_that_shows_it_bite() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = test_names(root);
    let written = bounds(&std::fs::read_to_string(root.join("proxy.toml")).unwrap());
    let listed: Vec<String> = BITES.iter().map(|(setting, _)| (*setting).to_owned()).collect();
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len(), "twice in the table");
    let missing: Vec<_> = written.iter().filter(|setting| !listed.contains(setting)).collect();
    let gone: Vec<_> = listed.iter().filter(|setting| !written.contains(setting)).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "without a test: {missing:?}; not in proxy.toml: {gone:?}"
    );
    for (setting, tests) in BITES {
        assert!(!tests.is_empty(), "{setting}");
        for test in *tests {
            assert!(known.contains(*test), "{setting}: {test} is no test");
        }
    }
}

/// The settings of `proxy.toml` that are a number, a duration or a size, by section and key.
fn bounds(text: &str) -> Vec<String> {
    let (mut found, mut section, mut is_bound) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        let bare = line.trim_start_matches("# ").trim_start_matches("e.g. ");
        if bare.starts_with('[') && bare.ends_with(']') {
            section = bare.trim_matches(['[', ']']).to_owned();
        } else if ["# (a number,", "# (a duration,", "# (a size,"].iter().any(|kind| line.starts_with(kind)) {
            is_bound = true;
        } else if let Some((key, _)) = bare.split_once(" = ").filter(|_| std::mem::take(&mut is_bound)) {
            found.push(format!("{section}.{key}"));
        }
    }
    found
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The types and codes of RFC 9113 that are looked for.
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const RST_STREAM: u8 = 3;
const HEADERS: u8 = 1;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// An HTTP/2 connection by its frames.
struct Frames {
    raw: Raw,
    authority: String,
    seen: Vec<u8>,
}

impl Frames {
    /// After both sides have taken each other's settings.
    async fn open(proxy: &crate::plain_world::Started) -> Self {
        let mut frames =
            Self { raw: proxy.connect().await, authority: proxy.address().to_string(), seen: Vec::new() };
        frames.raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        frames.raw.send(&frame(SETTINGS, 0, 0, &[])).await;
        while frames.next().await.expect("the proxy's settings").0 != SETTINGS {}
        frames.raw.send(&frame(SETTINGS, 1, 0, &[])).await;
        frames
    }

    /// A GET, whole: `:method`, `:scheme` and `:path` by their indices (RFC 7541 appendix A), then fields as they are.
    fn get(&self, stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
        let mut block = vec![0x82, 0x86, 0x84, 0x01, self.authority.len() as u8];
        block.extend(self.authority.as_bytes());
        for (name, value) in more {
            block.extend([0x00, name.len() as u8]);
            block.extend(name.as_bytes());
            block.push(value.len() as u8);
            block.extend(value.as_bytes());
        }
        frame(HEADERS, 5, stream, &block)
    }

    /// The next frame's type, stream and payload; none at the connection's end.
    async fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        loop {
            if self.seen.len() >= 9 {
                let length = u32::from_be_bytes([0, self.seen[0], self.seen[1], self.seen[2]]) as usize;
                if self.seen.len() >= 9 + length {
                    let rest = self.seen.split_off(9 + length);
                    let whole = std::mem::replace(&mut self.seen, rest);
                    let stream = u32::from_be_bytes(whole[5..9].try_into().unwrap());
                    return Some((whole[3], stream, whole[9..].to_vec()));
                }
            }
            let read = timeout(PATIENCE, self.raw.stream.read_buf(&mut self.seen)).await.expect("a frame");
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The code of the next RST_STREAM or GOAWAY, and which it is; an answer's head is shown as its type alone.
    async fn verdict(&mut self) -> (u8, u32) {
        loop {
            match self.next().await {
                Some((HEADERS, ..)) => return (HEADERS, 0),
                Some((RST_STREAM, _, code)) => {
                    return (RST_STREAM, u32::from_be_bytes(code[..4].try_into().unwrap()));
                }
                Some((GOAWAY, _, last)) => {
                    return (GOAWAY, u32::from_be_bytes(last[4..8].try_into().unwrap()));
                }
                Some(_) => {}
                None => panic!("the connection ended without a word"),
            }
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn as_many_streams_as_may_be_are_served_and_one_more_is_refused() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).with("limits", "streams = 2").start().await;
    let mut frames = Frames::open(&proxy).await;
    let two = [frames.get(1, &[]), frames.get(3, &[])].concat();
    frames.raw.send(&two).await;
    let mut busy = [stage.next().await, stage.next().await];
    for upstream in &mut busy {
        read_until(upstream, "\r\n\r\n").await;
    }
    let third = frames.get(5, &[]);
    frames.raw.send(&third).await;
    assert_eq!(frames.verdict().await, (RST_STREAM, REFUSED_STREAM));
    assert!(stage.is_untouched(), "it went no further");
    // The two are served, and then there is room.
    for upstream in &mut busy {
        upstream.write_all(OK.as_bytes()).await.unwrap();
        assert_eq!(frames.verdict().await, (HEADERS, 0));
    }
    drop(busy);
    let fourth = frames.get(7, &[]);
    frames.raw.send(&fourth).await;
    let mut upstream = stage.next().await;
    read_until(&mut upstream, "\r\n\r\n").await;
    upstream.write_all(OK.as_bytes()).await.unwrap();
    assert_eq!(frames.verdict().await, (HEADERS, 0));
    drop(frames);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn as_many_resets_as_may_be_are_borne_and_one_more_ends_the_connection() {
    let (address, _heads) = Stage::open().await.always(OK);
    let proxy = Plain::before(address).with("limits", "reset_streams = 2").start().await;
    for (resets, is_borne) in [(2, true), (3, false)] {
        let mut frames = Frames::open(&proxy).await;
        // In one piece, so that none has been begun before it is reset.
        let burst: Vec<u8> = (0..resets)
            .flat_map(|n| [frames.get(2 * n + 1, &[]), frame(RST_STREAM, 0, 2 * n + 1, &8u32.to_be_bytes())])
            .chain([frames.get(101, &[])])
            .flatten()
            .collect();
        frames.raw.send(&burst).await;
        let expected = if is_borne { (HEADERS, 0) } else { (GOAWAY, ENHANCE_YOUR_CALM) };
        assert_eq!(frames.verdict().await, expected, "{resets} resets");
    }
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn as_many_faulty_streams_as_may_be_are_borne_and_one_more_ends_the_connection() {
    let (address, _heads) = Stage::open().await.always(OK);
    let proxy = Plain::before(address).with("limits", "error_streams = 2").start().await;
    for (faults, is_borne) in [(2, true), (3, false)] {
        let mut frames = Frames::open(&proxy).await;
        for n in 0..faults {
            // A field of HTTP/1 makes the message malformed (RFC 9113 section 8.2.2).
            let faulty = frames.get(2 * n + 1, &[("connection", "close")]);
            frames.raw.send(&faulty).await;
            let expected = if n < 2 { (RST_STREAM, 1) } else { (GOAWAY, ENHANCE_YOUR_CALM) };
            assert_eq!(frames.verdict().await, expected, "fault {n}");
        }
        if is_borne {
            let good = frames.get(101, &[]);
            frames.raw.send(&good).await;
            assert_eq!(frames.verdict().await, (HEADERS, 0));
        }
    }
    assert!(proxy.stop().await);
}
