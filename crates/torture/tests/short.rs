//! The short forms of what the binary does at length.

use torture::crowd::Shared;
use torture::cuts::{Death, Who, at_every_step, at_random};
use torture::{lockout, soak};

#[test]
fn a_login_by_totp_survives_a_kill_at_every_step() {
    let outcome = at_every_step(Who::Totp, Death::Process);
    assert!(outcome.deaths > 40, "{outcome:?}");
    assert_eq!(
        (outcome.recovered, outcome.reused, outcome.codes_twice),
        (outcome.deaths, 0, 0),
        "{outcome:?}"
    );
}

#[test]
fn a_login_by_totp_survives_a_power_cut_at_every_step_and_at_random_ones() {
    for outcome in [at_every_step(Who::Totp, Death::Power), at_random(Who::Totp, Death::Power, 100)] {
        assert!(outcome.deaths > 40, "{outcome:?}");
        assert_eq!(
            (outcome.recovered, outcome.reused, outcome.codes_twice),
            (outcome.deaths, 0, 0),
            "{outcome:?}"
        );
    }
}

#[test]
fn where_a_login_needs_a_person_the_stored_token_is_tried_once_at_most() {
    for death in [Death::Process, Death::Power] {
        let outcome = at_every_step(Who::Person, death);
        assert!(outcome.deaths > 40, "{outcome:?}");
        assert_eq!(
            (outcome.recovered + outcome.asked, outcome.more_than_one_try),
            (outcome.deaths, 0),
            "{outcome:?}"
        );
        assert!(outcome.asked < outcome.deaths / 2, "most deaths lose nothing: {outcome:?}");
    }
}

#[test]
fn an_hour_of_refused_passwords_costs_one_attempt() {
    assert_eq!(lockout::passwords_sent(3600, None), 1);
    for step in 1..=2 {
        assert!(lockout::passwords_sent(600, Some(step)) <= 1, "killed at step {step} of its login");
    }
}

fn program() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_BIN_EXE_torture"))
}

#[tokio::test]
async fn sixty_kills_of_real_processes_lose_no_login() {
    let outcome = torture::kills::run(program(), 60, 12, false).await;
    assert!(outcome.is_good(), "{outcome:#?}");
    assert!(outcome.counters.refreshed > 60, "{outcome:#?}");
}

#[tokio::test]
async fn kills_of_real_processes_that_sign_in_by_totp_lose_no_login() {
    let outcome = torture::kills::run(program(), 12, 12, true).await;
    assert!(outcome.is_good(), "{outcome:#?}");
}

#[tokio::test]
async fn sixty_four_clients_at_the_instant_of_expiry_make_one_refresh() {
    let outcome = torture::crowd::run(program(), Shared::Directory, 1, 64, 20).await.unwrap();
    assert_eq!((outcome.not_one, outcome.errors, outcome.reused), (0, 0, 0), "{outcome:?}");
}

#[tokio::test]
async fn three_processes_on_one_directory_make_one_refresh() {
    let outcome = torture::crowd::run(program(), Shared::Directory, 3, 24, 20).await.unwrap();
    assert_eq!((outcome.not_one, outcome.errors, outcome.reused), (0, 0, 0), "{outcome:?}");
}

#[tokio::test]
async fn five_replicas_on_one_redis_make_one_refresh() {
    let outcome = torture::crowd::run(program(), Shared::Redis, 5, 20, 20).await.unwrap();
    assert_eq!((outcome.not_one, outcome.errors, outcome.reused), (0, 0, 0), "{outcome:?}");
}

#[tokio::test]
async fn a_replica_that_wakes_up_with_an_old_lock_overwrites_nothing() {
    let outcome = torture::paused::run(program(), 1).await.unwrap();
    assert!(outcome.is_good(), "{outcome:?}");
}

#[tokio::test]
async fn traffic_through_faults_gets_the_portals_own_answers() {
    let plan = soak::Plan {
        lasts: std::time::Duration::from_secs(8),
        faults: 0.03,
        // Every answer but an event stream can be asked for again.
        longest_download: 64 * 1024,
        ..soak::Plan::default()
    };
    let outcome = soak::run(program(), plan, |_| ()).await.unwrap();
    assert!(outcome.is_good(), "{outcome}\n{outcome:?}");
    assert!(outcome.faults.len() > 5 && outcome.once.answered > 300, "{outcome}");
}
