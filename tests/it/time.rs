//! Clocks that jump, a machine that sleeps, and a client whose clock is wrong: the first request after it succeeds.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portunus::clock::{Clock, ManualClock};

use crate::world::{World, WorldOptions};

const HOUR: Duration = Duration::from_secs(3600);
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// A proxy that lives by this clock, after its first request.
async fn world(clock: &ManualClock, options: WorldOptions) -> World {
    let world = World::start_by(options, Arc::new(clock.clone())).await;
    world.profile().await.expect(200);
    world
}

fn simple() -> WorldOptions {
    WorldOptions::default().account("plain@example.com")
}

#[tokio::test]
async fn the_first_request_after_a_sleep_of_eight_hours_succeeds_with_one_refresh() {
    let clock = ManualClock::at(SystemTime::now());
    let world = world(&clock, simple()).await;
    world.change_password().await.expect(200);
    clock.advance(8 * HOUR);
    world.profile().await.expect(200);
    world.change_password().await.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.logins, counters.refreshed, counters.unauthorized), (1, 1, 0));
    assert!(world.proxy.session().clock_jumps() >= 1, "it was noticed");
    assert!(world.stop().await);
}

#[tokio::test]
async fn the_first_request_after_the_clock_was_set_by_an_hour_succeeds() {
    for forward in [true, false] {
        let clock = ManualClock::at(SystemTime::now());
        let world = world(&clock, simple()).await;
        let set = if forward { clock.wall() + HOUR } else { clock.wall() - HOUR };
        clock.set_wall(set);
        world.profile().await.expect(200);
        let counters = world.sim.counters();
        // Set forward it costs a refresh at most; set back it lengthens no life, and costs none.
        assert!(counters.refreshed <= u64::from(forward), "{counters:?}");
        assert_eq!((counters.logins, counters.unauthorized), (1, 0), "forward: {forward}");
        // Its life is still what it was: an hour later by the clock that nobody can set, it is over.
        clock.advance(HOUR);
        world.profile().await.expect(200);
        assert!(world.sim.counters().refreshed >= 1);
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_client_whose_clock_is_ten_minutes_wrong_signs_in_by_its_authenticator_and_refreshes() {
    for fast in [true, false] {
        let now = SystemTime::now();
        let clock = ManualClock::at(if fast { now + TEN_MINUTES } else { now - TEN_MINUTES });
        // The code is made for the portal's clock, ten minutes away from ours.
        let world = world(&clock, WorldOptions::default()).await;
        world.sim.expire_access_tokens();
        world.profile().await.expect(200);
        let counters = world.sim.counters();
        assert_eq!((counters.logins, counters.refreshed, counters.wrong_code), (1, 1, 0), "fast: {fast}");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_login_of_a_process_whose_clock_was_wrong_serves_the_next_one() {
    let clock = ManualClock::at(SystemTime::now() + TEN_MINUTES);
    let options = simple().set("admin.enabled", "false");
    let world = world(&clock, options.clone()).await;
    let next = crate::world::start_proxy(&world.sim, &options, world.directory()).await.unwrap();
    let client = crate::world::Client::new(next.addresses()[0]);
    client.get(&world.path("profile")).await.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.logins, counters.unauthorized), (1, 0), "the stored expiry is absolute");
    assert!(next.stop().await);
    assert!(world.stop().await);
}
