//! The server goes away and comes back; the command does not notice.

use std::time::{Duration, Instant};

use strongroom_e2e::Partition;

use crate::running::{PATIENCE, Place, comes_true, inside};
use crate::unprivileged::Home;

#[test]
fn the_last_good_files_stay_and_changes_are_caught_up_with() {
    let mut place = Place::new();
    place.secret("db", &[("a", "1")]);
    let directory = place.directory("files");
    let given = format!("db={}", directory.display());
    let mut running = place.run(&[
        "--secret-dir",
        &given,
        "--on-change",
        "signal=USR1",
        "--",
        "sh",
        "-c",
        "trap 'echo changed' USR1; echo ready; while :; do sleep 0.1; done",
    ]);
    running.prints("ready");
    let file = inside(&running, &directory).join("a");
    let holds = |expect: &str, patience: Duration| {
        comes_true(patience, || {
            std::fs::read_to_string(&file).is_ok_and(|text| text == expect)
        })
    };
    for round in 0..3 {
        place.kill();
        running.warns("Changes of the Secret \"db\" cannot be seen now");
        std::thread::sleep(Duration::from_millis(1500));
        assert!(holds(if round == 0 { "1" } else { "3" }, Duration::ZERO));
        place.restart();
        let back = Instant::now();
        place.secret("db", &[("a", "2")]);
        assert!(
            holds("2", Duration::from_secs(2)),
            "not after {:?}",
            back.elapsed()
        );
        println!("current {:?} after the server was back", back.elapsed());
        place.secret("db", &[("a", "3")]);
        assert!(holds("3", Duration::from_secs(2)));
    }
    running.warns("Changes of the Secret \"db\" are seen again.");
    assert!(running.is_running());
    assert!(
        comes_true(PATIENCE, || running.output().matches("changed").count() >= 3),
        "{}",
        running.output()
    );
}

#[test]
fn a_secret_that_is_gone_when_the_server_comes_back() {
    let mut place = Place::new();
    place.secret("db", &[("a", "1")]);
    let directory = place.directory("files");
    let given = format!("db={}", directory.display());
    let running = place.run(&[
        "--optional",
        "--secret-dir",
        &given,
        "--",
        "sh",
        "-c",
        "echo ready; while :; do sleep 0.1; done",
    ]);
    running.prints("ready");
    let file = inside(&running, &directory).join("a");
    assert!(file.exists());
    running.signal("STOP");
    place.delete("secrets", "db");
    place.kill();
    place.restart();
    running.signal("CONT");
    assert!(
        comes_true(Duration::from_secs(10), || !file.exists()),
        "{}",
        running.errors()
    );
}

#[test]
fn without_a_server_nothing_is_started() {
    let mut place = Place::new();
    place.secret("db", &[("a", "1")]);
    place.kill();
    let (code, output, errors) = place.ended(&["--secret", "db", "--", "echo", "ran"]);
    assert_eq!((code, output.as_str()), (125, ""));
    assert!(
        errors.contains("cannot be reached") && errors.contains("Start it with `strongroom up`"),
        "{errors}"
    );
}

/// R12: nothing says that the connection is dead, and TCP would take its time to go on.
#[test]
fn a_partition_is_caught_up_with_within_two_seconds() {
    const USER: u32 = 61_234;
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let home = Home::new(&place, USER);
    let partition = Partition::of_user(USER, place.server.port());
    let mut running = home.run(
        &[],
        &[
            "--secret-dir",
            "db=files",
            "--",
            "sh",
            "-c",
            "echo ready; while :; do sleep 0.1; done",
        ],
    );
    running.prints("ready");
    let file = inside(&running, &home.path().join("files/a"));
    let holds = |value: &str, patience| {
        comes_true(patience, || {
            std::fs::read_to_string(&file).is_ok_and(|text| text == value)
        })
    };
    let mut slowest = Duration::ZERO;
    for (round, seconds) in [(2, 1), (4, 8), (6, 20)] {
        partition.begin();
        place.secret("db", &[("a", &round.to_string())]);
        std::thread::sleep(Duration::from_secs(seconds));
        let value = (round + 1).to_string();
        place.secret("db", &[("a", &value)]);
        assert!(holds(
            &if round == 2 {
                "1".to_owned()
            } else {
                (round - 1).to_string()
            },
            Duration::ZERO
        ));
        partition.end();
        let healed = Instant::now();
        assert!(holds(&value, Duration::from_secs(30)), "{}", running.errors());
        println!("current {:?} after a partition of {seconds} s", healed.elapsed());
        slowest = slowest.max(healed.elapsed());
    }
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    assert!(running.is_running());
}
