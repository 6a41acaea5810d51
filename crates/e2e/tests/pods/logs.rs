//! Logs on the disk.

use strongroom_e2e::{BUSYBOX, Options, Pods};

#[test]
fn a_long_log_is_moved_away_and_the_oldest_parts_go() {
    let world = Pods::start_with(Options::with_arguments(&[
        "--container-log-max-size",
        "100Ki",
        "--container-log-max-files",
        "2",
    ]));
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: talker}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sh, -c, "i=0; while :; do i=$((i+1)); echo line $i of a log that grows; [ $((i%100)) = 0 ] && sleep 0.05; done"]
"#,
        node = world.node
    ));
    let pod = world.ready("talker");
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    let directory = world
        .root_dir()
        .join("logs")
        .join(format!("default_talker_{}", text("uid")))
        .join("c");
    let parts = || {
        let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let first = world.until("a part that was moved away", || {
        parts().into_iter().find(|name| name.starts_with("0.log."))
    });
    world.until("the first part is gone", || {
        let parts = parts();
        assert!(parts.len() <= 3, "{parts:?}");
        (!parts.contains(&first)).then_some(())
    });
    world.until("it goes on in the new file", || {
        world.log_of(&pod, "c").starts_with("line ").then_some(())
    });
}
